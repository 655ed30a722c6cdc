//! Instruction counts.
use std::path::Path;

use crate::Failure;

pub(crate) fn counts(_binary: &Path, _file: &Path, _record: bool) -> Result<(), Failure> {
    Err("not yet".into())
}
