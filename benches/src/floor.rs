//! The least that any program of this kind has to do: read the events of its input once, and write its output. krm-sops is
//! compared with it, and it does nothing else.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _, Write as _};

use granit_parser::Parser;

use crate::Failure;

/// `floor FILE…`: reads the events of stdin and of the files, and writes the last file to stdout. `floor - FILE`: those of stdin alone.
pub(crate) fn floor(arguments: &[OsString]) -> Result<(), Failure> {
    let [read @ .., output] = arguments else { return Err("too few arguments".into()) };
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text)?;
    let mut events = count_events(&text)?;
    for file in read {
        events += count_events(&fs::read_to_string(file)?)?;
    }
    io::stdout().lock().write_all(&fs::read(output)?)?;
    if events == 0 { Err("there is nothing to read".into()) } else { Ok(()) }
}

fn count_events(text: &str) -> Result<usize, Failure> {
    let mut count = 0;
    for event in Parser::new_from_str(text) {
        event.map_err(|error| error.to_string())?;
        count += 1;
    }
    Ok(count)
}
