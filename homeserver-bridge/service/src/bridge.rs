//! The entrance: one value that the process makes once and everybody shares.

use crate::config::HomeserversConfig;
use crate::dial::{Dialler, DiallerError};
use crate::openid::{self, ProofError};

/// Everything that is asked of homeservers goes through here. Cheap to share behind an `Arc`; holds no task of its own.
pub struct Bridge {
    dialler: Dialler,
}

impl Bridge {
    /// Takes the system's certificate authorities and name servers, and what `[homeservers]` adds.
    ///
    /// # Errors
    ///
    /// When TLS or name resolution cannot be set up.
    pub fn new(config: &HomeserversConfig) -> Result<Self, DiallerError> {
        Ok(Bridge::over(Dialler::new(config)?))
    }

    /// A bridge over a dialler with surroundings of its own (tests).
    pub fn over(dialler: Dialler) -> Self {
        Bridge { dialler }
    }

    /// Who holds this OpenID token: asks the homeserver of that name (`matrix_server_name` and `access_token`, as the asker
    /// sent them) and believes it about its own users only. Answers within [`crate::dial::limits::WHOLE_TIMEOUT`].
    ///
    /// # Errors
    ///
    /// Why nobody is vouched for. Its text is for whoever runs the server and holds nothing personal.
    pub async fn prove(&self, server_name: &str, access_token: &str) -> Result<String, ProofError> {
        openid::prove(&self.dialler, server_name, access_token).await
    }
}
