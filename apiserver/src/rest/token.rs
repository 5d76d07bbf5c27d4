//! Continue tokens of paged lists.
//!
//! **Invariant:** a token is worth something only at the list that it was made for: it is authenticated together
//! with the list's key prefix, so a forged or foreign one is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::status::{ApiError, Result};

/// Secret with which tokens are made.
#[derive(Clone)]
pub(crate) struct TokenKey([u8; 32]);

impl Default for TokenKey {
    /// A fresh one, as good as the memory store it is for: neither survives the process.
    fn default() -> Self {
        let mut key = [0; 32];
        key[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        key[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
        Self(key)
    }
}

/// Where the next page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Revision of the first page; `None` goes on with the newest state after an expired one.
    pub(crate) revision: Option<u64>,
    /// Last key of the page before.
    pub(crate) after: String,
}

const MAC: usize = 16;

impl TokenKey {
    pub(crate) fn seal(&self, prefix: &str, position: &Position) -> String {
        let mut body = position.revision.unwrap_or(0).to_be_bytes().to_vec();
        body.extend_from_slice(position.after.strip_prefix(prefix).unwrap_or_default().as_bytes());
        let mut token = self.mac(prefix, &body).to_vec();
        token.extend_from_slice(&body);
        URL_SAFE_NO_PAD.encode(token)
    }

    pub(crate) fn open(&self, prefix: &str, token: &str) -> Result<Position> {
        let wrong = || {
            ApiError::bad_request("continue key is not valid: it was not made by this server for this list")
        };
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| wrong())?;
        let (mac, body) = bytes.split_at_checked(MAC).ok_or_else(wrong)?;
        let expected = self.mac(prefix, body);
        // Compared without an early exit, so that time tells nothing.
        let differing = mac.iter().zip(expected).fold(0, |acc, (a, b)| acc | (a ^ b));
        let (revision, after) = body
            .split_first_chunk::<8>()
            .filter(|_| differing == 0)
            .ok_or_else(wrong)?;
        let after = std::str::from_utf8(after).map_err(|_| wrong())?;
        let revision = u64::from_be_bytes(*revision);
        Ok(Position {
            revision: (revision > 0).then_some(revision),
            after: format!("{prefix}{after}"),
        })
    }

    /// HMAC-SHA-256 (RFC 2104), cut to 128 bits.
    fn mac(&self, prefix: &str, body: &[u8]) -> [u8; MAC] {
        let pad = |byte: u8| {
            let mut block = [byte; 64];
            block.iter_mut().zip(self.0).for_each(|(pad, key)| *pad ^= key);
            block
        };
        let length = (prefix.len() as u64).to_be_bytes();
        let inner = Sha256::new()
            .chain_update(pad(0x36))
            .chain_update(length)
            .chain_update(prefix)
            .chain_update(body)
            .finalize();
        let outer = Sha256::new()
            .chain_update(pad(0x5c))
            .chain_update(inner)
            .finalize();
        let mut mac = [0; MAC];
        mac.copy_from_slice(&outer[..MAC]);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_27_tokens_are_for_one_list_of_one_server() {
        let key = TokenKey::default();
        let position = Position {
            revision: Some(7),
            after: "/core/pods/a/b".into(),
        };
        let token = key.seal("/core/pods/", &position);
        assert_eq!(key.open("/core/pods/", &token), Ok(position));
        assert!(key.open("/core/secrets/", &token).is_err());
        assert!(TokenKey::default().open("/core/pods/", &token).is_err());
        for end in 0..token.len() {
            assert!(key.open("/core/pods/", &token[..end]).is_err());
        }
        let forged = URL_SAFE_NO_PAD.encode([0; 40]);
        assert!(key.open("/core/pods/", &forged).is_err());
    }
}
