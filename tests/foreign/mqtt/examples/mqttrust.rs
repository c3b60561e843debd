use embassy_futures::{block_on, select::select};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use mqttrust::transport::embedded_nal::NalTransport;
use mqttrust::{Config, IpBroker, MqttClient, Publish, State, Subscribe, SubscribeTopic};
use std::net::Ipv4Addr;
use ws_socket::{RandomError, asynch::Embassy};
use ws_transport_mqtt::{Buffers, MqttConnector, MqttRequest};

async fn talk(client: &MqttClient<'_, NoopRawMutex>) -> Result<(), mqttrust::Error> {
    let topics = [SubscribeTopic::builder().topic_path("hello/#").build()];
    let subscribe = Subscribe::builder().topics(&topics).build();
    let mut subscription = client.subscribe::<1>(subscribe).await?;
    let payload = &b"over a WebSocket"[..];
    let hello = Publish::builder()
        .topic_name("hello/world")
        .payload(payload)
        .build();
    client.publish(hello).await?;
    if let Some(message) = subscription.next_message().await {
        println!("{}", String::from_utf8_lossy(message.payload()));
    }
    Ok(())
}

fn main() {
    let stack = std_embedded_nal_async::Stack::default();
    let random: fn(&mut [u8]) -> Result<(), RandomError> =
        |bytes| getrandom::fill(bytes).map_err(|_| RandomError);
    let request = MqttRequest::new("localhost:9001");
    let (mut receive, mut gather) = ([0; 512], [0; 256]);
    let buffers = [Buffers::new(&mut receive, &mut gather)];
    // In place of its TCP stack; it connects, and connects again, by itself.
    let connector = MqttConnector::new(stack, Embassy(random), request, buffers);
    let broker = IpBroker::new(Ipv4Addr::LOCALHOST, 9001);
    let mut transport = NalTransport::new(&connector, broker);

    let mut state = State::<NoopRawMutex, 1024, 1024>::new();
    let config = Config::builder()
        .client_id("mqttrust".try_into().unwrap())
        .build();
    let (mut engine, client) = mqttrust::new(&mut state, config);
    block_on(select(talk(&client), engine.run(&mut transport)));
}
