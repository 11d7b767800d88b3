//! Passwords and tokens. Independent of HTTP and of any store.

mod access_token;
mod argon2id;
mod hs256;
mod opaque_token;
mod password;

pub use access_token::{AccessTokens, Claims, InvalidToken};
pub use argon2id::PasswordCost;
pub use opaque_token::OpaqueToken;
pub use password::{HashingFailed, Password, PasswordCheck, Passwords};
