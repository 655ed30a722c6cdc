//! Shamir's secret sharing as `HashiCorp` Vault and SOPS do it: each byte of the secret on its own, over the field with
//! 256 elements in which AES computes (polynomial `0x11b`), with the share's x after its last byte.

use std::borrow::Borrow;

use crate::diagnostics::{Code, Problem};
use crate::secret::SecretBytes;

/// Puts shares together to the secret they were made from.
///
/// Shares carry no checksum: from too few of them comes another, wrong secret. The values' authentication tags tell.
///
/// # Errors
/// `bad-metadata`: fewer than two shares, shares of different lengths, or two with the same x.
pub fn combine<S: Borrow<SecretBytes>>(shares: &[S]) -> Result<SecretBytes, Problem> {
    let refuse = |cause: &str| {
        Problem::new(Code::BadMetadata, "the shares of the key groups cannot be put together")
            .at("sops.key_groups")
            .because(cause)
    };
    if shares.len() < 2 {
        return Err(refuse("at least two shares are needed"));
    }
    let mut points = Vec::with_capacity(shares.len());
    for share in shares {
        let (x, ys) = share.borrow().expose().split_last().ok_or_else(|| refuse("a share is empty"))?;
        points.push((*x, ys));
    }
    let length = points.first().map_or(0, |(_, ys)| ys.len());
    if length == 0 || points.iter().any(|(_, ys)| ys.len() != length) {
        return Err(refuse("the shares differ in length"));
    }
    if has_duplicates(&points) {
        return Err(refuse("two key groups hold the same share"));
    }

    // Allocated at its full length, so that it never moves and leaves a copy behind.
    let mut secret = vec![0; length];
    for (x, ys) in &points {
        let weight = weight_at_zero(*x, &points);
        for (byte, y) in secret.iter_mut().zip(*ys) {
            *byte ^= multiply(*y, weight);
        }
    }
    Ok(SecretBytes::new(secret))
}

fn has_duplicates(points: &[(u8, &[u8])]) -> bool {
    let mut seen = [false; 256];
    points.iter().any(|(x, _)| seen.get_mut(usize::from(*x)).is_none_or(|seen| std::mem::replace(seen, true)))
}

/// The value at 0 of the Lagrange polynomial that is 1 at `x` and 0 at the other points. Subtraction is exclusive or.
fn weight_at_zero(x: u8, points: &[(u8, &[u8])]) -> u8 {
    points
        .iter()
        .filter(|(other, _)| *other != x)
        .fold(1, |weight, (other, _)| multiply(weight, multiply(*other, inverse(x ^ other))))
}

/// Multiplies without branches or tables that depend on the secret.
fn multiply(a: u8, b: u8) -> u8 {
    (0..8).rev().fold(0, |product: u8, bit| {
        let carry = (product >> 7).wrapping_neg() & 0x1b;
        let addend = (b >> bit & 1).wrapping_neg() & a;
        (product << 1) ^ carry ^ addend
    })
}

/// The inverse of anything but 0 is its 254th power: the non-zero elements are a group of 255.
fn inverse(a: u8) -> u8 {
    (0..254).fold(1, |power, _| multiply(power, a))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(hex: &str) -> SecretBytes {
        let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        SecretBytes::new(digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect())
    }

    #[test]
    fn multiplication_is_that_of_aes() {
        // FIPS 197, section 4.2.
        assert_eq!(multiply(0x57, 0x83), 0xc1);
        assert_eq!(multiply(0x57, 0x13), 0xfe);
        assert!((1..=255).all(|a| multiply(a, inverse(a)) == 1));
    }

    #[test]
    fn what_are_no_shares_is_refused() {
        let refused = |shares: &[&str]| {
            let shares: Vec<_> = shares.iter().map(|share| secret(share)).collect();
            combine(&shares).unwrap_err().causes.join(" ")
        };
        assert_eq!(refused(&[]), "at least two shares are needed");
        assert_eq!(refused(&["0101"]), "at least two shares are needed");
        assert_eq!(refused(&["0101", ""]), "a share is empty");
        assert_eq!(refused(&["0101", "010102"]), "the shares differ in length");
        assert_eq!(refused(&["01", "02"]), "the shares differ in length");
        assert_eq!(refused(&["0101", "0201"]), "two key groups hold the same share");
    }

    proptest! {
        /// Splitting is evaluating a polynomial whose value at 0 is the secret.
        #[test]
        fn any_threshold_of_the_shares_makes_the_secret(
            coefficients in prop::collection::vec(prop::collection::vec(any::<u8>(), 32), 2..5),
            skip in 0..3_u8,
        ) {
            let threshold = u8::try_from(coefficients.len()).unwrap();
            let shares: Vec<SecretBytes> = (1 + skip..=threshold + skip).map(|x| {
                let mut share = vec![0; 32];
                for coefficient in coefficients.iter().rev() {
                    for (y, c) in share.iter_mut().zip(coefficient) {
                        *y = multiply(*y, x) ^ c;
                    }
                }
                share.push(x);
                SecretBytes::new(share)
            }).collect();
            let combined = combine(&shares).unwrap();
            prop_assert_eq!(combined.expose(), coefficients[0].as_slice());
        }
    }
}
