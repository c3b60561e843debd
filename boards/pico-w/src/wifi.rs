//! The radio of the board, and staying in the network.

use cyw43::{A4, Aligned, Control, JoinOptions, NetDriver, PowerManagementMode, SpiBus};
use cyw43_firmware::{CYW43_43439A0, CYW43_43439A0_CLM};
use cyw43_pio::{DEFAULT_CLOCK_DIVIDER, PioSpi};
use cyw43_setup::NVRAM;
use defmt::{info, warn};
use embassy_executor::Spawner;
use embassy_net::{Config, Runner, Stack, StackResources};
use embassy_rp::gpio::{Level, Output};
use embassy_rp::peripherals::{DMA_CH0, PIN_23, PIN_24, PIN_25, PIN_29, PIO0};
use embassy_rp::pio::Pio;
use embassy_rp::{Peri, bind_interrupts, dma, pio};
use embassy_time::{Duration, Timer, with_timeout};
use static_cell::StaticCell;

use crate::backoff::Backoff;
use crate::environment::Network;
use crate::random::Random;

bind_interrupts!(struct Irqs {
    PIO0_IRQ_0 => pio::InterruptHandler<PIO0>;
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>;
});

/// The radio's program, which it is given at each start.
static FIRMWARE: Aligned<A4, [u8; CYW43_43439A0.len()]> = Aligned(*CYW43_43439A0);

/// The first wait before joining again, and the longest, in milliseconds.
const FIRST_WAIT_MS: u32 = 1_000;
const LONGEST_WAIT_MS: u32 = 60_000;
/// From having joined until the stack knows.
const LINK_UP: Duration = Duration::from_secs(10);
/// The board's light hangs on the radio.
const LIGHT: u8 = 0;

type Bus = SpiBus<Output<'static>, PioSpi<'static, PIO0, 0>>;

/// What of the chip is wired to the radio.
pub struct Radio {
    /// Power.
    pub power: Peri<'static, PIN_23>,
    /// Data, both ways.
    pub data: Peri<'static, PIN_24>,
    /// Chip select.
    pub select: Peri<'static, PIN_25>,
    /// Clock.
    pub clock: Peri<'static, PIN_29>,
    /// What speaks the protocol on these.
    pub pio: Peri<'static, PIO0>,
    /// What moves the bytes.
    pub dma: Peri<'static, DMA_CH0>,
}

/// Starts the radio, and what keeps it in `network`: the stack gets its address by DHCP.
pub async fn start<const SOCKETS: usize>(
    spawner: Spawner,
    radio: Radio,
    network: Network,
    resources: &'static mut StackResources<SOCKETS>,
    random: &mut Random,
) -> Stack<'static> {
    static STATE: StaticCell<cyw43::State> = StaticCell::new();

    let mut pio = Pio::new(radio.pio, Irqs);
    let spi = PioSpi::new(
        &mut pio.common,
        pio.sm0,
        DEFAULT_CLOCK_DIVIDER,
        pio.irq0,
        Output::new(radio.select, Level::High),
        radio.data,
        radio.clock,
        dma::Channel::new(radio.dma, Irqs),
    );
    let power = Output::new(radio.power, Level::Low);
    let state = STATE.init(cyw43::State::new());
    let (driver, mut control, runner) = cyw43::new(state, power, spi, &FIRMWARE, &NVRAM).await;
    spawner.spawn(run_radio(runner).expect("spawned once"));

    control.init(CYW43_43439A0_CLM).await;
    // With deeper sleep what comes waits for up to a second.
    control
        .set_power_management(PowerManagementMode::Performance)
        .await;

    let config = Config::dhcpv4(Default::default());
    let (stack, runner) = embassy_net::new(driver, config, resources, random.number());
    spawner.spawn(run_stack(runner).expect("spawned once"));
    spawner.spawn(stay(control, stack, network, random.fork()).expect("spawned once"));
    stack
}

#[embassy_executor::task]
async fn run_radio(runner: cyw43::Runner<'static, Bus>) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn run_stack(mut runner: Runner<'static, NetDriver<'static>>) -> ! {
    runner.run().await
}

/// Joins, and joins again when the network is lost. The light is on in between.
#[embassy_executor::task]
async fn stay(
    mut control: Control<'static>,
    stack: Stack<'static>,
    network: Network,
    mut random: Random,
) -> ! {
    let mut backoff = Backoff::new(FIRST_WAIT_MS, LONGEST_WAIT_MS);
    loop {
        let options = match network.password {
            "" => JoinOptions::new_open(),
            password => JoinOptions::new(password.as_bytes()),
        };
        info!("joining {=str}", network.name);
        match control.join(network.name, options).await {
            Ok(()) if with_timeout(LINK_UP, stack.wait_link_up()).await.is_ok() => {
                backoff.reset();
                control.gpio_set(LIGHT, true).await;
                stack.wait_config_up().await;
                if let Some(config) = stack.config_v4() {
                    info!("joined: {}", config.address);
                }
                stack.wait_link_down().await;
                control.gpio_set(LIGHT, false).await;
                warn!("the network is lost");
            }
            Ok(()) => warn!("joined, but there is no link"),
            Err(error) => warn!("not joined: {}", error),
        }
        let mut number = [0; 4];
        random.fill(&mut number);
        Timer::after_millis(backoff.wait(u32::from_ne_bytes(number)).into()).await;
    }
}
