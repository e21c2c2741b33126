//! What an organisation may use of the server, and what all organisations of one founder may use together.

use crate::platform::queue::SHARES_OF_TENANT;

/// How much an organisation uses, and how much all organisations of its founder use together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub of_organisation: u64,
    pub of_founder: u64,
}

/// A limit that does not allow more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    pub party: Party,
    pub used: u64,
    pub allowed: u64,
}

/// Whose usage is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    Organisation,
    Founder,
}

impl Usage {
    /// Returns the same with less used by the organisation.
    pub fn without(self, less: u64) -> Self {
        let Self { of_organisation, of_founder } = self;
        Self { of_organisation: of_organisation.saturating_sub(less), of_founder: of_founder.saturating_sub(less) }
    }

    /// Fails unless the organisation may use this much more, where one organisation may use `allowed`: one alone can never use up
    /// what all of its founder may use.
    pub fn admit(self, more: u64, allowed: u64) -> Result<(), Full> {
        let limits = [
            Full { party: Party::Organisation, used: self.of_organisation, allowed },
            Full { party: Party::Founder, used: self.of_founder, allowed: allowed.saturating_mul(SHARES_OF_TENANT.into()) },
        ];
        limits.into_iter().find(|limit| limit.used.saturating_add(more) > limit.allowed).map_or(Ok(()), Err)
    }
}

impl Party {
    /// Returns how an error names the organisations.
    pub const fn organisations(self) -> &'static str {
        match self {
            Self::Organisation => "this organisation",
            Self::Founder => "all organisations with the same founder as this one",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organisations_of_one_founder_may_together_use_twice_as_much_as_one() {
        let usage = |of_organisation, of_founder| Usage { of_organisation, of_founder };
        assert_eq!(usage(9, 19).admit(1, 10), Ok(()));
        assert_eq!(usage(10, 10).admit(1, 10), Err(Full { party: Party::Organisation, used: 10, allowed: 10 }));
        assert_eq!(usage(0, 10).admit(10, 10), Ok(()), "one that is full leaves another what it may use");
        assert_eq!(usage(0, 20).admit(1, 10), Err(Full { party: Party::Founder, used: 20, allowed: 20 }));
        assert_eq!(usage(10, 20).without(1).admit(1, 10), Ok(()));
        assert!(usage(0, 0).admit(u64::MAX, 10).is_err());
        assert_eq!(usage(3, 4).without(9), usage(0, 0));
    }
}
