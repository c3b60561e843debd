use embassy_futures::block_on;
use minimq::{Buffers as Packets, ConfigBuilder, Publication, QoS, Session, TopicFilter};
use ws_socket::{RandomError, asynch::Embassy};
use ws_transport_mqtt::{Buffers, MqttRequest, MqttStream};

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

    let (mut rx, mut tx) = ([0; 512], [0; 1024]);
    let config = ConfigBuilder::new(Packets::new(&mut rx, &mut tx)).client_id("minimq")?;
    let mut session = Session::new(config);
    let mut connection = session.connect(stream).await?;
    connection
        .subscribe(&[TopicFilter::new("hello/#")], &[])
        .await?;
    let hello = Publication::text("hello/world", "over a WebSocket").qos(QoS::AtLeastOnce);
    connection
        .publish(hello)
        .await
        .map_err(|error| format!("{error:?}"))?;
    let message = connection.recv().await?;
    println!("{}", String::from_utf8_lossy(message.payload()));
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    block_on(talk())
}
