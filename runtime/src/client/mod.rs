//! Clients whose scope and subresources are in the type.

/// Something that can lend a connection: `kube::Client` itself, or a derived clientset.
///
/// Factories and controllers take `&impl AsClient`, so a caller hands over whichever it has.
pub trait AsClient {
    /// The connection.
    fn as_client(&self) -> &kube::Client;
}

impl AsClient for kube::Client {
    fn as_client(&self) -> &kube::Client {
        self
    }
}

impl<T: AsClient + ?Sized> AsClient for &T {
    fn as_client(&self) -> &kube::Client {
        (**self).as_client()
    }
}
