//! How much a search may do.

/// What a candidate costs beside its bytes.
const CANDIDATE: u64 = 2 << 10;
/// What a signature of a public key costs beside that: about as much as hashing so many bytes.
const PUBLIC_KEY: u64 = 64 << 10;

/// Bytes that may still be hashed. A family of candidates gets at most half of what is left, so that a later one gets
/// something too.
pub(super) struct Budget {
    left: u64,
    /// What this family leaves to the next ones.
    floor: u64,
    pub(super) candidates: u32,
    pub(super) is_exhausted: bool,
}

impl Budget {
    /// For candidates that are made of the delivery.
    pub(super) const DELIVERY_BYTES: u64 = 40 << 20;
    /// For other keys over the delivery as it is.
    pub(super) const KEY_BYTES: u64 = 24 << 20;

    pub(super) fn new(bytes: u64) -> Self {
        Self {
            left: bytes,
            floor: bytes / 2,
            candidates: 0,
            is_exhausted: false,
        }
    }

    /// Begins the next family.
    pub(super) fn next_family(&mut self) {
        self.floor = self.left / 2;
    }

    /// Takes what `digests` over so many bytes cost, if that much is left.
    pub(super) fn spend(&mut self, bytes: usize, digests: usize, is_public_key: bool) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let each = bytes
            .saturating_add(CANDIDATE)
            .saturating_add(if is_public_key { PUBLIC_KEY } else { 0 });
        let cost = each.saturating_mul(u64::try_from(digests.max(1)).unwrap_or(u64::MAX));
        match self.left.checked_sub(cost) {
            Some(left) if left >= self.floor => {
                self.left = left;
                self.candidates += 1;
                true
            }
            _ => {
                self.is_exhausted = true;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_leaves_half_to_the_next() {
        let mut budget = Budget::new(16 * CANDIDATE);
        let mut spent = || std::iter::from_fn(|| budget.spend(0, 1, false).then_some(())).count();
        assert_eq!(spent(), 8);
        assert!(budget.is_exhausted);
        budget.next_family();
        assert!(budget.spend(0, 4, false));
        assert!(!budget.spend(0, 1, false));
        assert!(!Budget::new(PUBLIC_KEY).spend(0, 1, true));
        assert!(!Budget::new(u64::MAX).spend(usize::MAX, usize::MAX, true));
    }

    #[test]
    fn the_number_of_candidates_is_bounded() {
        const { assert!((Budget::DELIVERY_BYTES + Budget::KEY_BYTES) / CANDIDATE <= 32 << 10) };
    }
}
