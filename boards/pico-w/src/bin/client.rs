//! Reports the chip's temperature each second over a WebSocket, and prints what comes.
#![no_std]
#![no_main]

use defmt::{Display2Format, info, warn};
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_net::StackResources;
use embassy_rp::adc::{self, Adc, Channel};
use embassy_rp::bind_interrupts;
use embassy_rp::clocks::RoscRng;
use panic_probe as _;
use static_cell::StaticCell;
use ws_pico_w::client::{Event, Station, run};
use ws_pico_w::environment::{Network, plain_url};
use ws_pico_w::random::Random;
use ws_pico_w::wifi::{self, Radio};
use ws_pico_w::{from_environment, network_from_environment};
use ws_socket::Opcode;
use ws_socket::asynch::Embassy;

const NETWORK: Network = network_from_environment!();
const URL: &str = plain_url(from_environment!(
    "WS_URL",
    "the URL of a WebSocket server, as ws://192.168.0.2:8080/path"
));

/// DHCP, DNS, and one connection.
const SOCKETS: usize = 3;

bind_interrupts!(struct Irqs {
    ADC_IRQ_FIFO => adc::InterruptHandler;
});

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    static RESOURCES: StaticCell<StackResources<SOCKETS>> = StaticCell::new();

    let p = embassy_rp::init(Default::default());
    let random = Random::from_noise(RoscRng::next_u8);
    let mut random = random.unwrap_or_else(|_| defmt::panic!("the ring oscillator does not run"));
    let radio = Radio {
        power: p.PIN_23,
        data: p.PIN_24,
        select: p.PIN_25,
        clock: p.PIN_29,
        pio: p.PIO0,
        dma: p.DMA_CH0,
    };
    let resources = RESOURCES.init(StackResources::new());
    let stack = wifi::start(spawner, radio, NETWORK, resources, &mut random).await;

    let mut board = Board {
        adc: Adc::new(p.ADC, Irqs, adc::Config::default()),
        sensor: Channel::new_temp_sensor(p.ADC_TEMP_SENSOR),
    };
    let platform = Embassy(move |bytes: &mut [u8]| {
        random.fill(bytes);
        Ok(())
    });
    run(stack, URL, platform, &mut board).await
}

struct Board {
    adc: Adc<'static, adc::Async>,
    sensor: Channel<'static>,
}

impl Station for Board {
    async fn sample(&mut self) -> u16 {
        loop {
            match self.adc.read(&mut self.sensor).await {
                Ok(counts) => return counts,
                Err(_) => warn!("the converter failed"),
            }
        }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Connected => info!("connected to {=str}", URL),
            Event::Sent(json) => info!("> {=str}", json),
            // A piece can end in the middle of a character.
            Event::Received(received, piece) => match core::str::from_utf8(piece) {
                Ok(text) if received.opcode() == Opcode::Text => info!("< {=str}", text),
                _ => info!("< {=[u8]:a}", piece),
            },
            Event::Ended(why, wait) => {
                warn!("{}; again in {=u32} ms", Display2Format(why), wait);
            }
        }
    }
}
