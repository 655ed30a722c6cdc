//! Scale.
use crate::Failure;

pub(crate) fn scale() -> Result<(), Failure> {
    Err("not yet".into())
}
