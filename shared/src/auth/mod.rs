//! Passwords and tokens. Independent of HTTP and of any store.

mod access_token;
mod argon2id;
mod device_token;
mod hs256;
mod opaque_token;
mod password;
mod signing_keys;

pub use access_token::{AccessTokens, Claims};
pub use argon2id::PasswordCost;
pub use device_token::{DeviceTokens, KnownDevice};
pub use opaque_token::OpaqueToken;
pub use password::{HashingFailed, Owner, Password, PasswordCheck, Passwords};
pub use signing_keys::{InvalidToken, SigningKeys};
