//! Why a statement failed, in the words of SQLite sorted into those of the interface.

use rusqlite::ErrorCode;

use super::store::Failure;
use crate::capability::database::DatabaseError;

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let (code, message) = match &error {
            rusqlite::Error::SqliteFailure(code, message) => (*code, message.clone()),
            rusqlite::Error::SqlInputError { error, msg, .. } => (*error, Some(msg.clone())),
            rusqlite::Error::InvalidParameterCount(given, wanted) => {
                let message = format!("{given} parameters for a statement that wants {wanted}");
                return Self::Invalid(rusqlite::ffi::SQLITE_RANGE, message);
            }
            other => return Self::Invalid(rusqlite::ffi::SQLITE_ERROR, other.to_string()),
        };
        let message = message.unwrap_or_else(|| code.to_string());
        match code.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
            ErrorCode::OperationInterrupted => Self::TimedOut,
            ErrorCode::ConstraintViolation => Self::Constraint(code.extended_code, message),
            ErrorCode::DiskFull => Self::Full,
            ErrorCode::AuthorizationForStatementDenied => Self::Refused(message),
            ErrorCode::OutOfMemory => {
                Self::TooLarge("the statement needs more memory than there is for it".into())
            }
            ErrorCode::TooBig => Self::TooLarge(message),
            ErrorCode::CannotOpen
            | ErrorCode::NotADatabase
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::SystemIoFailure => Self::Fault(message),
            _ => Self::Invalid(code.extended_code, message),
        }
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Busy => Self::Busy,
            DatabaseError::Full(_) => Self::Full,
            other => Self::Fault(other.to_string()),
        }
    }
}
