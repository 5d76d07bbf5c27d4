//! What stands in a clientset.

use super::{Client, ClientError};
use crate::kind::Kind;

/// Something that needs nothing but a connection: a [`Client`], or a derived clientset.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in a clientset",
    label = "neither the client of a kind nor a clientset",
    note = "the fields of a clientset are `Client<K>`, for derived and built-in kinds, and other clientsets",
    note = "`Client<FooSpec>` is none: the kind is the type that the derive makes of the spec, `Foo`"
)]
pub trait FromClient: Sized {
    /// On this connection.
    fn from_client(connection: &kube::Client) -> Self;
}

#[diagnostic::do_not_recommend]
impl<K: Kind> FromClient for Client<K> {
    fn from_client(connection: &kube::Client) -> Self {
        Self::new(connection.clone())
    }
}

/// On the cluster that the environment names.
///
/// # Errors
/// [`ClientError::Connect`] where there is no usable configuration.
pub async fn connect<T: FromClient>() -> Result<T, ClientError> {
    match kube::Client::try_default().await {
        Ok(connection) => Ok(T::from_client(&connection)),
        Err(source) => Err(ClientError::Connect {
            source: Box::new(source),
        }),
    }
}
