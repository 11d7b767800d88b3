use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Maximum number of connections, however many descriptors the process may have.
const MAX_TOTAL: u64 = 4_096;

/// Maximum number of connections of one client address.
const MAX_PER_CLIENT: usize = 256;

/// Descriptors that are kept for the stores, files, signals and outgoing requests: a quarter, and at least these. A server that
/// uses files only has about 25.
const MIN_RESERVE: u64 = 40;

/// Minimum number of connections, even if fewer descriptors are left than the reserve.
const MIN_TOTAL: u64 = 8;

/// Limits of concurrent connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Of all clients together.
    pub total: usize,
    /// Of one client address.
    pub per_client: usize,
}

impl ConnectionLimits {
    /// Raises the soft limit of open descriptors to the hard one, and derives the limits of connections from it.
    pub fn of_process() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, ..limit };
        let current = match setrlimit(Resource::Nofile, raised) {
            Ok(()) => limit.maximum,
            Err(_) => limit.current,
        };
        // `None` means unlimited.
        Self::for_descriptors(current.unwrap_or(u64::MAX))
    }

    fn for_descriptors(descriptors: u64) -> Self {
        let reserve = (descriptors / 4).max(MIN_RESERVE);
        let total = descriptors.saturating_sub(reserve).clamp(MIN_TOTAL, MAX_TOTAL);
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        Self { total, per_client: (total / 4).min(MAX_PER_CLIENT) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_leave_a_reserve_of_descriptors() {
        for (descriptors, total, per_client) in
            [(0, 8, 2), (64, 24, 6), (256, 192, 48), (1_024, 768, 192), (20_000, 4_096, 256), (u64::MAX, 4_096, 256)]
        {
            assert_eq!(ConnectionLimits::for_descriptors(descriptors), ConnectionLimits { total, per_client });
        }
    }
}
