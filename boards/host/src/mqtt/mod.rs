//! `ws mqtt`: rust-mqtt over a WebSocket, by the async calls.

mod beat;
mod failure;
mod print;
mod publish;
mod session;
mod subscribe;

use crate::arguments::{MqttOptions, Task};
use crate::connect;
use crate::connect::dial::Failure;
use crate::exit::Exit;
use crate::output;
use session::{Ends, Lent, Session};

/// Runs `ws mqtt`.
pub(crate) fn run(options: &MqttOptions) -> Exit {
    let mut lent = Lent::new();
    match task(options, &mut lent) {
        Ok(exit) => exit,
        // Which is said at the end.
        Err(failure) if output::failed().is_some() => failure.exit,
        Err(failure) => {
            connect::say(options.json, &failure.trouble);
            failure.exit
        }
    }
}

fn task(options: &MqttOptions, lent: &mut Lent) -> Result<Exit, Failure> {
    match &options.task {
        Task::Sub(what) => {
            let stream = session::dial(options)?;
            async_io::block_on(async {
                let session = Session::open(stream, options, lent, Ends::watch()).await?;
                subscribe::run(session, options, what).await
            })
        }
        Task::Pub(what) => {
            // Before there is a session, which would have to be kept alive meanwhile.
            let messages = publish::Messages::read(&what.message)?;
            let stream = session::dial(options)?;
            async_io::block_on(async {
                let session = Session::open(stream, options, lent, Ends::watch()).await?;
                publish::run(session, options, what, messages).await
            })
        }
    }
}
