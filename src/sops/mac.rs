//! The MAC of a file: SHA-512 over its typed values in document order, sealed with the data key.

use std::hint::black_box;

use sha2::{Digest as _, Sha512};
use zeroize::Zeroizing;

use super::number;
use super::scalar::Scalar;
use crate::secret::SecretBuffer;

/// What the hash starts with where it covers encrypted values only, so that the two kinds of MAC never agree:
/// the SHA-256 of `sops` (`MACOnlyEncryptedInitialization` in sops' `sops.go`).
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b, 0x0b,
    0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// A MAC that is being computed.
pub(super) struct Mac(Sha512);

impl Mac {
    /// Starts over all values, or over `only_encrypted` ones.
    pub(super) fn new(only_encrypted: bool) -> Self {
        let mut hash = Sha512::new();
        if only_encrypted {
            hash.update(ONLY_ENCRYPTED);
        }
        Self(hash)
    }

    /// Takes in what [`hashed`] made of the next values.
    pub(super) fn take(&mut self, hashed: &SecretBuffer) {
        self.0.update(hashed.expose());
    }

    /// Whether this is the MAC that the file states, in upper-case hex. Takes the same time whatever they are.
    pub(super) fn is(self, stated: &[u8]) -> bool {
        let digest = Zeroizing::new(<[u8; 64]>::from(self.0.finalize()));
        let digits = digest.iter().flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]);
        let difference =
            digits.zip(stated).fold(0, |difference, (ours, theirs)| difference | (ours ^ theirs));
        stated.len() == 2 * digest.len() && black_box(difference) == 0
    }
}

/// Adds what is hashed of a value. Values are not delimited: SOPS does not do it either (`ToBytes` in sops' `sops.go`).
pub(super) fn hashed(value: &Scalar<'_>, onto: &mut SecretBuffer) {
    match value {
        Scalar::Null => {}
        Scalar::Text(bytes) => onto.extend(bytes),
        Scalar::Int(number) => onto.extend(number::decimal(*number).as_bytes()),
        Scalar::Float(number) => onto.extend(number::fixed(*number).as_bytes()),
        Scalar::Bool(true) => onto.extend(b"True"),
        Scalar::Bool(false) => onto.extend(b"False"),
        Scalar::Time(time) => onto.extend(time.to_nanoseconds().as_bytes()),
    }
}

fn hex(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'A' + (nibble - 10),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::sops::timestamp::Timestamp;

    fn is(only_encrypted: bool, values: &[Scalar<'_>], stated: &str) -> bool {
        let mut mac = Mac::new(only_encrypted);
        let mut buffer = SecretBuffer::default();
        for value in values {
            hashed(value, &mut buffer);
        }
        mac.take(&buffer);
        mac.is(stated.as_bytes())
    }

    fn text(text: &str) -> Scalar<'_> {
        Scalar::Text(Cow::Borrowed(text.as_bytes()))
    }

    /// `printf True31-1.52024-01-02T00:00:00Zx | sha512sum`, in upper case.
    const OF_VALUES: &str = "84D2CFCA6357EDF38114F0483A00BBDA3EE1F83F3F3023B7F80CB3506EBB2197\
                             C906BFBF276382AB6435EBDA80EAB2A740FC3F1FC3014098F2A2C0A8E3EDF4DD";

    /// The SHA-512 of the SHA-256 of `sops` and of `x`.
    const OF_X_ONLY: &str = "F2FCD883120AC9CC76A0079910AFF53A3F3A4AFB78C110FB8C8B361E38777DE7\
                             22FABB66A132749D5C71138D4B1E3BFDF7CAD284A785AF59ABA5109BDDD799A0";

    #[test]
    fn typed_values_are_hashed_as_go_prints_them() {
        let time = Timestamp::of_yaml("2024-1-2").unwrap();
        let values = [
            Scalar::Bool(true),
            Scalar::Null,
            Scalar::Int(31),
            Scalar::Float(-1.5),
            Scalar::Time(time),
            text("x"),
        ];
        assert!(is(false, &values, OF_VALUES));
        assert!(!is(true, &values, OF_VALUES));
    }

    #[test]
    fn encrypted_values_alone_start_from_a_seed() {
        assert!(is(true, &[text("x")], OF_X_ONLY));
    }

    #[test]
    fn another_mac_is_refused_whatever_its_length() {
        for stated in ["", "F2", &OF_X_ONLY.to_lowercase(), &OF_X_ONLY[1..], &format!("{OF_X_ONLY}0")] {
            assert!(!is(true, &[text("x")], stated), "{stated}");
        }
    }
}
