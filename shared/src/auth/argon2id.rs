use std::sync::{Mutex, MutexGuard, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::password_hash::{CustomizedPasswordHasher, Error, PasswordHasher, Result};
use argon2::{Algorithm, Argon2, Block, Params, Version};

/// Cost parameters of Argon2id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory size, in KiB.
    pub memory_kib: u32,
    /// Number of passes over the memory.
    pub passes: u32,
    /// Degree of parallelism.
    pub lanes: u32,
}

impl PasswordCost {
    /// The parameters for 19 MiB in OWASP's Password Storage Cheat Sheet. The service uses them.
    pub const OWASP: Self = Self { memory_kib: 19_456, passes: 2, lanes: 1 };

    fn params(self) -> Result<Params> {
        Ok(Params::new(self.memory_kib, self.passes, self.lanes, None)?)
    }
}

/// Argon2 with reused memory. `Argon2` itself allocates and frees its memory for each hash. The memory is aligned, and glibc
/// before 2.38 retains several copies of such blocks: 150 MB more for a server that computes two hashes at once. The kernel
/// also has to zero the memory for each hash, which takes a fifth of the time of a hash.
pub(super) struct Argon2id {
    cost: PasswordCost,
    /// Memory that no hash uses at present.
    free: Mutex<Vec<Vec<Block>>>,
}

impl Argon2id {
    /// Hashes with the parameters `cost`. Verifies hashes of any parameters.
    pub(super) fn new(cost: PasswordCost) -> Self {
        Self { cost, free: Mutex::default() }
    }

    fn free(&self) -> MutexGuard<'_, Vec<Vec<Block>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn derive(&self, argon2: &Argon2<'_>, password: &[u8], salt: &[u8]) -> Result<Output> {
        let mut buffer = [0; Output::MAX_LENGTH];
        let length = argon2.params().output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let output = buffer.get_mut(..length).ok_or(Error::OutputSize)?;
        let mut memory = self.free().pop().unwrap_or_default();
        memory.resize(memory.len().max(argon2.params().block_count()), Block::default());
        let derived = argon2.hash_password_into_with_memory(password, salt, output, memory.as_mut_slice());
        self.free().push(memory);
        derived?;
        Ok(Output::new(output)?)
    }
}

impl PasswordHasher<PasswordHash> for Argon2id {
    fn hash_password_with_salt(&self, password: &[u8], salt: &[u8]) -> Result<PasswordHash> {
        self.hash_password_customized(password, salt, None, None, self.cost.params()?)
    }
}

/// The library verifies passwords through this trait, with the parameters of the hash.
impl CustomizedPasswordHasher<PasswordHash> for Argon2id {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<u32>,
        params: Params,
    ) -> Result<PasswordHash> {
        let algorithm = algorithm.map(Algorithm::try_from).transpose()?.unwrap_or(Algorithm::Argon2id);
        let version = version.map(Version::try_from).transpose()?.unwrap_or(Version::V0x13);
        let argon2 = Argon2::new(algorithm, version, params);
        Ok(PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: ParamsString::try_from(argon2.params())?,
            hash: Some(self.derive(&argon2, password, salt)?),
            salt: Some(Salt::new(salt)?),
        })
    }
}
