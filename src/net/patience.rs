//! The idle timeout: how long a connection may be silent once an answer has begun.
//!
//! ureq's own limit for a read counts for the wait before an answer as well, where a gateway may need longer.

use std::time::Duration;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::{Error, Timeout};

/// Wraps connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) idle: Duration,
}

impl<In: Transport> Connector<In> for Patience {
    type Out = Patient<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Patient<In>>, Error> {
        Ok(chained.map(|inner| Patient { inner, idle: self.idle }))
    }
}

/// A connection that is given up when it is silent for too long.
#[derive(Debug)]
pub(super) struct Patient<T> {
    inner: T,
    idle: Duration,
}

impl<T: Transport> Transport for Patient<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, Error> {
        // While the answer has not begun, that wait has a limit of its own.
        if !matches!(timeout.reason, Timeout::RecvResponse | Timeout::Connect) && *timeout.after > self.idle {
            timeout.after = self.idle.into();
            timeout.reason = Timeout::PerRead;
        }
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }
}
