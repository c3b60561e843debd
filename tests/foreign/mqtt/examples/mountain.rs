use embassy_futures::block_on;
use mountain_mqtt::client::{
    Client, ClientNoQueue, ClientReceivedEvent, ConnectionSettings, Delay, EventHandler,
    EventHandlerError,
};
use mountain_mqtt::data::quality_of_service::QualityOfService::Qos1;
use ws_socket::{RandomError, asynch::Embassy};
use ws_transport_mqtt::{Buffers, MqttRequest, MqttStream};

struct Wait;

impl Delay for Wait {
    async fn delay_us(&mut self, us: u32) {
        embassy_time::Timer::after_micros(us.into()).await;
    }
}

struct Print<'a>(&'a std::cell::Cell<bool>);

impl EventHandler<16> for Print<'_> {
    async fn handle_event(
        &mut self,
        event: ClientReceivedEvent<'_, 16>,
    ) -> Result<(), EventHandlerError> {
        if let ClientReceivedEvent::ApplicationMessage(message) = event {
            println!("{}", String::from_utf8_lossy(message.payload));
            self.0.set(true);
        }
        Ok(())
    }
}

async fn talk() -> Result<(), Box<dyn std::error::Error>> {
    let stack = std_embedded_nal_async::Stack::default();
    let random = |bytes: &mut [u8]| getrandom::fill(bytes).map_err(|_| RandomError);
    let platform = Embassy(random);
    let request = MqttRequest::new("localhost:9001");
    // It writes whole packets: there is nothing to gather.
    let mut receive = [0; 512];
    let buffers = Buffers::new(&mut receive, &mut []);
    let broker = "127.0.0.1:9001".parse()?;
    let stream =
        MqttStream::connect_to(&stack, broker, &request, buffers, platform, 10_000).await?;

    let printed = std::cell::Cell::new(false);
    let mut storage = [0; 512];
    let mut client = ClientNoQueue::new(stream, &mut storage, Wait, 5_000, Print(&printed));
    let failed = |error| format!("{error}");
    let settings = ConnectionSettings::unauthenticated("mountain");
    client.connect(&settings).await.map_err(failed)?;
    client.subscribe("hello/#", Qos1).await.map_err(failed)?;
    client
        .publish("hello/world", b"over a WebSocket", Qos1, false)
        .await
        .map_err(failed)?;
    while !printed.get() {
        client.poll(true).await.map_err(failed)?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    block_on(talk())
}
