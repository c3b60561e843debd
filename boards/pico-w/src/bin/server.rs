//! Serves a page on port 80, and the echo that the page speaks with.
#![no_std]
#![no_main]

use defmt::{Display2Format, info};
use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_net::{Stack, StackResources};
use embassy_rp::clocks::RoscRng;
use panic_probe as _;
use static_cell::StaticCell;
use ws_pico_w::environment::Network;
use ws_pico_w::network_from_environment;
use ws_pico_w::random::Random;
use ws_pico_w::server::{Visit, visitors};
use ws_pico_w::wifi::{self, Radio};
use ws_socket::asynch::Embassy;

const NETWORK: Network = network_from_environment!();

/// Visitors at a time.
const VISITORS: usize = 4;
/// Theirs, and DHCP's. DNS has one too, although nobody asks here.
const SOCKETS: usize = VISITORS + 2;

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
    for number in 0..VISITORS {
        let task = serve(number, stack, random.fork());
        spawner.spawn(task.expect("the pool has as many"));
    }
}

#[embassy_executor::task(pool_size = VISITORS)]
async fn serve(number: usize, stack: Stack<'static>, mut random: Random) -> ! {
    let platform = Embassy(move |bytes: &mut [u8]| {
        random.fill(bytes);
        Ok(())
    });
    let visit = |visit| match visit {
        Visit::Connected => info!("{=usize}: connected", number),
        Visit::Ended(why) => info!("{=usize}: {}", number, Display2Format(&why)),
        Visit::Slow => info!("{=usize}: takes no echo", number),
        Visit::Failed(why) => info!("{=usize}: {}", number, Display2Format(&why)),
        Visit::NoWebSocket => info!("{=usize}: a page, or a refusal", number),
    };
    visitors(stack, platform, visit).await
}
