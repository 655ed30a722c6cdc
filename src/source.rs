//! (Item, config) → what it is sealed by: origin file, creation rule, and leave to open it.
//!
//! Many items come from one file, which is read, parsed and judged once. The order of the checks is the order in which
//! a person would ask: where does it come from, which rule covers it, is it whole, and may we.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{Config, Integrity, Unruled};
use crate::diagnostics::{Code, Problem, Severity};
use crate::files::{FileError, Files};
use crate::krm::Item;
use crate::locate::{Located, Locator};
use crate::origin::Origin;
use crate::policy::{Authorised, Authority, Sealed, Terms, authorise};
use crate::rule::{Rule, Rules};
use crate::sops::{Format, Metadata, SealedFile};
