//! Conversion of values between the model and WIT: the trait, and the macros that implement it from
//! one list of members for each type.
//!
//! A row is `record Model = wit::Record { members }`. A member is listed once if both sides have the
//! same name for it; the others follow a `;`, as `model: wit`. A missing or superfluous member does not
//! compile. `enum` has cases without a payload, `variant` cases with one.
//!
//! Handles need a guest's table, so that drafts are in [`crate::wit::drafts`].

use model::discovery::{Outcome, Source};
use model::ids::SubmissionId;
use model::instant::Timestamp;
use model::mail::address::EmailAddress;
use model::provider;
use model::provider::{About, Auth, LimitName, Origin, Quirks, Username};

/// A value that has the same meaning on the other side.
pub(crate) trait Convert<T> {
    fn convert(self) -> T;
}

impl<T: Convert<U>, U> Convert<Vec<U>> for Vec<T> {
    fn convert(self) -> Vec<U> {
        self.into_iter().map(T::convert).collect()
    }
}

impl<T: Convert<U>, U> Convert<Option<U>> for Option<T> {
    fn convert(self) -> Option<U> {
        self.map(T::convert)
    }
}

/// Types that are the same on both sides.
macro_rules! same {
    ($($same:ty),*) => {
        $(impl Convert<$same> for $same {
            fn convert(self) -> $same {
                self
            }
        })*
    };
}

/// Types of the model that are text in WIT, and the method that returns it.
macro_rules! words {
    ($($word:ty: $text:ident),* $(,)?) => {
        $(impl Convert<String> for $word {
            fn convert(self) -> String {
                self.$text().to_owned()
            }
        })*
    };
}

same!((), bool, u16, u32, u64, String);
words! {
    EmailAddress: as_str,
    SubmissionId: as_str,
    Source: as_str,
    Outcome: as_str,
    Auth: as_str,
    LimitName: as_str,
    provider::SentCopy: as_str,
    Origin: as_str,
    About: as_str,
    Username: pattern,
}

impl Convert<i64> for Timestamp {
    fn convert(self) -> i64 {
        self.millis()
    }
}

impl Convert<Timestamp> for i64 {
    fn convert(self) -> Timestamp {
        Timestamp::from_millis(self)
    }
}

impl Convert<Vec<String>> for Quirks {
    fn convert(self) -> Vec<String> {
        self.words()
    }
}

/// Rows of types that the host passes to guests.
macro_rules! to_wit {
    ($($kind:ident $model:path = $wit:path {
        $($name:ident),* $(; $($ours:ident: $theirs:ident),*)?
    })*) => {
        $(convert! { $kind $model => $wit { $($name => $name,)* $($($ours => $theirs,)*)? } })*
    };
}

/// Rows of types that guests pass to the host.
macro_rules! from_wit {
    ($($kind:ident $model:path = $wit:path {
        $($name:ident),* $(; $($ours:ident: $theirs:ident),*)?
    })*) => {
        $(convert! { $kind $wit => $model { $($name => $name,)* $($($theirs => $ours,)*)? } })*
    };
}

/// Rows of types that travel in both directions.
macro_rules! both_ways {
    ($($rows:tt)*) => {
        to_wit! { $($rows)* }
        from_wit! { $($rows)* }
    };
}

/// One row in one direction.
macro_rules! convert {
    (record $from:path => $into:path { $($old:ident => $new:ident,)* }) => {
        impl Convert<$into> for $from {
            fn convert(self) -> $into {
                let Self { $($old),* } = self;
                $into { $($new: $old.convert()),* }
            }
        }
    };
    (enum $from:path => $into:path { $($old:ident => $new:ident,)* }) => {
        impl Convert<$into> for $from {
            fn convert(self) -> $into {
                type New = $into;
                match self {
                    $(Self::$old => New::$new,)*
                }
            }
        }
    };
    (variant $from:path => $into:path { $($old:ident => $new:ident,)* }) => {
        impl Convert<$into> for $from {
            fn convert(self) -> $into {
                type New = $into;
                match self {
                    $(Self::$old(payload) => New::$new(payload.convert()),)*
                }
            }
        }
    };
}

pub(crate) use {both_ways, convert, from_wit, to_wit};
