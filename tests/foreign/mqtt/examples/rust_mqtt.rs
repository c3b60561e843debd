use embassy_futures::block_on;
use rust_mqtt::client::options::{
    ConnectOptions, PublicationOptions, SubscriptionOptions, TopicReference,
};
use rust_mqtt::types::{MqttString, TopicFilter, TopicName};
use rust_mqtt::{Bytes, buffer::AllocBuffer, client::Client, client::event::Event};
use ws_socket::{RandomError, asynch::Embassy};
use ws_transport_mqtt::{Buffers, MqttRequest, MqttStream};

fn failed(error: impl core::fmt::Debug) -> String {
    format!("{error:?}")
}

async fn talk() -> Result<(), String> {
    let stack = std_embedded_nal_async::Stack::default();
    let random = |bytes: &mut [u8]| getrandom::fill(bytes).map_err(|_| RandomError);
    let platform = Embassy(random);
    let request = MqttRequest::new("localhost:9001");
    // It writes field by field: what fits `gather` goes out as one frame.
    let (mut receive, mut gather) = ([0; 512], [0; 256]);
    let buffers = Buffers::new(&mut receive, &mut gather);
    let broker = "127.0.0.1:9001".parse().map_err(failed)?;
    let stream = MqttStream::connect_to(&stack, broker, &request, buffers, platform, 10_000);
    let stream = stream.await.map_err(failed)?;

    let mut storage = AllocBuffer;
    let mut client: Client<'_, '_, _, _, 1, 1, 1, 1, 0, 0, 0> = Client::new(&mut storage);
    let id = MqttString::from_str("rust-mqtt").map_err(failed)?;
    client
        .connect(stream, &ConnectOptions::new().clean_start(), Some(id))
        .await
        .map_err(failed)?;
    let filter =
        TopicFilter::new(MqttString::from_str("hello/#").map_err(failed)?).ok_or("filter")?;
    client
        .subscribe(filter, &SubscriptionOptions::new().at_least_once())
        .await
        .map_err(failed)?;
    let topic =
        TopicName::new(MqttString::from_str("hello/world").map_err(failed)?).ok_or("topic")?;
    let options = PublicationOptions::new(TopicReference::Name(topic)).at_least_once();
    client
        .publish(&options, Bytes::from(&b"over a WebSocket"[..]))
        .await
        .map_err(failed)?;
    loop {
        if let Event::Publish(message) = client.poll().await.map_err(failed)? {
            println!("{}", String::from_utf8_lossy(&message.message));
            return Ok(());
        }
    }
}

fn main() -> Result<(), String> {
    block_on(talk())
}
