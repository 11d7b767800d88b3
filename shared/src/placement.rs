//! Decides which database holds the sync data of a user.
//!
//! The decision is made once, when the account is created, and recorded with the account. Only a move changes it. So the list of
//! databases can be reordered and extended without moving users.

use sha2::{Digest, Sha256};

use crate::models::{DatabaseId, UserId};

/// A database that holds sync data of this service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberDatabase {
    /// Id.
    pub id: DatabaseId,
    /// Position in the order of registration.
    pub ordinal: u32,
    /// Share of the new users in relation to the weights of the other databases. 0: no new users.
    pub weight: u32,
}

/// Chooses the database of a new user by weighted rendezvous hashing. Returns `None` if all weights are 0.
///
/// With equal weights the result is that of the releases before placements were recorded, whose hash was over the position of a
/// database in the list: the ordinal is the position at the time of the first registration.
pub fn choose_database(user: UserId, databases: &[MemberDatabase]) -> Option<DatabaseId> {
    let candidates = databases.iter().filter(|database| database.weight > 0);
    let score = |database: &MemberDatabase| uniform(user, database.ordinal).ln() / f64::from(database.weight);
    candidates.max_by(|a, b| score(a).total_cmp(&score(b))).map(|database| database.id)
}

/// Chooses the database of a user who was created by a release that did not record placements. `holders` are the databases that
/// have data of the user.
///
/// The hash decides, as it did in that release, unless the user has data elsewhere only: then the list was edited since.
pub fn choose_database_of_existing(
    user: UserId,
    databases: &[MemberDatabase],
    holders: &[DatabaseId],
) -> Option<DatabaseId> {
    let equal: Vec<_> = databases.iter().map(|database| MemberDatabase { weight: 1, ..*database }).collect();
    let hashed = choose_database(user, &equal);
    if hashed.is_some_and(|hashed| holders.contains(&hashed)) { hashed } else { holders.first().copied().or(hashed) }
}

/// Returns a number in (0, 1) that is independent for each pair of user and ordinal.
fn uniform(user: UserId, ordinal: u32) -> f64 {
    let hash = Sha256::new().chain_update(u64::from(ordinal).to_be_bytes()).chain_update(user.as_uuid()).finalize();
    let (first, _) = hash.split_first_chunk::<8>().expect("the hash has 32 bytes");
    // The 53 bits that a double holds exactly.
    ((u64::from_be_bytes(*first) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const USERS: u128 = 4_000;

    fn user(number: u128) -> UserId {
        let hash = Sha256::digest(number.to_be_bytes());
        UserId::new(Uuid::from_slice(&hash[..16]).unwrap())
    }

    fn databases(weights: &[u32]) -> Vec<MemberDatabase> {
        let database = |(ordinal, weight): (usize, &u32)| MemberDatabase {
            id: DatabaseId::new(Uuid::from_u128(ordinal as u128)),
            ordinal: ordinal as u32,
            weight: *weight,
        };
        weights.iter().enumerate().map(database).collect()
    }

    fn counts(weights: &[u32]) -> Vec<usize> {
        let databases = databases(weights);
        let chosen: Vec<_> = (0..USERS).filter_map(|number| choose_database(user(number), &databases)).collect();
        databases.iter().map(|database| chosen.iter().filter(|id| **id == database.id).count()).collect()
    }

    /// The choice of the releases that did not record placements.
    fn by_position(user: UserId, count: usize) -> usize {
        let score =
            |index: usize| Sha256::new().chain_update(index.to_be_bytes()).chain_update(user.as_uuid()).finalize();
        (0..count).max_by_key(|index| score(*index)).unwrap()
    }

    #[test]
    fn equal_weights_choose_what_the_position_chose() {
        for count in 1..=7 {
            let databases = databases(&vec![3; count]);
            for number in 0..USERS / 4 {
                let expected = databases[by_position(user(number), count)].id;
                assert_eq!(choose_database(user(number), &databases), Some(expected));
                assert_eq!(choose_database_of_existing(user(number), &databases, &[]), Some(expected));
            }
        }
    }

    #[test]
    fn users_are_distributed_by_weight() {
        let counts = counts(&[1, 0, 3, 4]);
        assert_eq!((counts[1], counts.iter().sum::<usize>()), (0, USERS as usize));
        for (count, weight) in counts.iter().zip([1, 0, 3, 4]) {
            let expected = USERS as usize * weight / 8;
            assert!(count.abs_diff(expected) < 150, "{counts:?}");
        }
        assert_eq!(choose_database(user(1), &databases(&[0, 0])), None);
    }

    #[test]
    fn existing_users_stay_where_their_data_is() {
        let databases = databases(&[1, 1, 1]);
        for number in 0..100 {
            let hashed = choose_database(user(number), &databases).unwrap();
            let others: Vec<_> = databases.iter().map(|database| database.id).filter(|id| *id != hashed).collect();
            assert_eq!(choose_database_of_existing(user(number), &databases, &others[..1]), Some(others[0]));
            assert_eq!(choose_database_of_existing(user(number), &databases, &[others[1], hashed]), Some(hashed));
        }
    }

    #[test]
    fn weights_do_not_matter_to_existing_users() {
        let (equal, drained) = (databases(&[1, 1]), databases(&[1, 0]));
        assert!(
            (0..100).all(|number| choose_database_of_existing(user(number), &drained, &[])
                == choose_database(user(number), &equal))
        );
    }
}
