//! Where a client looks for brokers.

use std::{ffi::CString, sync::Arc};

use rdkafka::bindings as sys;

use super::Client;

/// Makes the client look where it began. When all brokers of a cluster are away for a moment, as after they stood still, the
/// first that is back may answer that there are none. librdkafka then forgets those that it knows, and since nothing is
/// left that could fail, it does not begin anew by itself. Servers that it has are not added twice.
pub(crate) fn find_again(client: &Arc<impl Client>, servers: &str) {
    let Ok(servers) = CString::new(servers) else { return };
    // SAFETY: the client is alive, and copies the text, which ends with a zero.
    unsafe {
        sys::rd_kafka_brokers_add(client.native(), servers.as_ptr());
    }
}
