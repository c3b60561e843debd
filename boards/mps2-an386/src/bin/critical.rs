//! For how many instructions the shared table masks interrupts: send and receive over a slow stack,
//! each critical section counted.
#![no_std]
#![no_main]

use core::arch::asm;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use cortex_m_rt::entry;
use critical_section::RawRestoreState;
use static_cell::ConstStaticCell;
use ws_mps2_an386::scripted::{Script, Scripted, Timeless};
use ws_mps2_an386::{say, semihosting};
use ws_socket::{Opcode, Role, SharedWebSockets, Table, WebSocketId};

/// TIM2 of the STM32F4. QEMU with `-icount shift=0` has it count every instruction.
const TIM2: usize = 0x4000_0000;
const CONTROL: *mut u32 = TIM2 as *mut u32;
const COUNT: *const u32 = (TIM2 + 0x24) as *const u32;

fn count() -> u32 {
    // SAFETY: the register of a timer that only this program uses.
    unsafe { COUNT.read_volatile() }
}

static BEGAN: AtomicU32 = AtomicU32::new(0);
static LONGEST: AtomicU32 = AtomicU32::new(0);
static SECTIONS: AtomicU32 = AtomicU32::new(0);

/// Masks interrupts as `cortex-m` does, and counts for how long.
struct Counted;

critical_section::set_impl!(Counted);

// SAFETY: interrupts are masked from `acquire` to the `release` that belongs to it, on one core.
unsafe impl critical_section::Impl for Counted {
    unsafe fn acquire() -> RawRestoreState {
        let outermost = cortex_m::register::primask::read().is_active();
        cortex_m::interrupt::disable();
        if outermost {
            BEGAN.store(count(), Relaxed);
        }
        outermost
    }

    unsafe fn release(outermost: RawRestoreState) {
        if outermost {
            let took = count().wrapping_sub(BEGAN.load(Relaxed));
            LONGEST.store(took.max(LONGEST.load(Relaxed)), Relaxed);
            SECTIONS.store(SECTIONS.load(Relaxed) + 1, Relaxed);
            // SAFETY: they were on before.
            unsafe { cortex_m::interrupt::enable() };
        }
    }
}

const SHORT: usize = 1024;
const LONG: usize = 64 * 1024;

/// How slow the stack is.
struct Pace {
    name: &'static str,
    /// Calls that block before one moves something.
    blocks: u32,
    /// Turns of a loop that each wait between takes.
    wait: u32,
}

const PACES: [Pace; 2] = [
    Pace {
        name: "slow",
        blocks: 1,
        wait: 10,
    },
    Pace {
        name: "slower",
        blocks: 20,
        wait: 200,
    },
];

static PAYLOAD: ConstStaticCell<[u8; LONG]> = ConstStaticCell::new([0; LONG]);

static LENT: ConstStaticCell<[[u8; 256]; 2]> = ConstStaticCell::new([[0; 256]; 2]);

static TABLE: SharedWebSockets<'static, u32, 2> = SharedWebSockets::new();

type Task = Table<'static, Scripted, Timeless, &'static SharedWebSockets<'static, u32, 2>>;

#[entry]
fn main() -> ! {
    // SAFETY: as in `count`. CEN: the timer counts.
    unsafe { CONTROL.write_volatile(1) };
    counts_instructions();
    let payload = PAYLOAD.take();
    TABLE.lend(LENT.take().each_mut());
    let (empty, _) = longest(|| critical_section::with(|_| ()));
    say!("critical empty {empty}");

    let mut first = None;
    for pace in &PACES {
        for length in [SHORT, LONG] {
            let (send, sections) = longest(|| send(&payload[..length], pace));
            say!("critical send {length} {} {send} {sections}", pace.name);
            let (receive, sections) = longest(|| receive(length, pace));
            say!("critical recv {length} {} {receive} {sections}", pace.name);
            // Sections are entered and do something.
            assert!(send > empty && receive > empty);
            // Neither length nor waiting makes any of them longer.
            let (least_send, least_receive) = *first.get_or_insert((send, receive));
            assert!(send <= least_send, "send masks longer: {send}");
            assert!(receive <= least_receive, "receive masks longer: {receive}");
        }
    }
    say!("critical: ok");
    semihosting::succeed()
}

/// A thousand instructions more are a thousand ticks more.
fn counts_instructions() {
    let began = count();
    // SAFETY: instructions that do nothing.
    unsafe { asm!(".rept 1000", "nop", ".endr") };
    let between = count();
    // SAFETY: as above.
    unsafe { asm!(".rept 2000", "nop", ".endr") };
    let ended = count();
    let (one, two) = (between.wrapping_sub(began), ended.wrapping_sub(between));
    assert!(
        two.wrapping_sub(one) == 1000,
        "the timer does not count instructions: {one} for 1000, {two} for 2000"
    );
}

/// The longest critical section during `work`, in instructions, and how many there were.
fn longest(work: impl FnOnce()) -> (u32, u32) {
    LONGEST.store(0, Relaxed);
    SECTIONS.store(0, Relaxed);
    work();
    (LONGEST.load(Relaxed), SECTIONS.load(Relaxed))
}

/// A connection of a client over a stack that moves 256 bytes a call, if it moves any.
fn open(head: &'static [u8], zeros: usize, pace: &Pace) -> (Task, WebSocketId) {
    let script = Script {
        head,
        zeros,
        piece: 256,
        blocks: pace.blocks,
    };
    let platform = Timeless::waiting(pace.wait);
    let mut task = TABLE.attach(Scripted::new(script), platform);
    let ws = task.register(0, Role::Client, None, 0);
    (task, ws.unwrap_or_else(|(why, _)| panic!("{why}")))
}

fn send(payload: &[u8], pace: &Pace) {
    let (mut task, ws) = open(&[], 0, pace);
    let sent = task.send_msg(ws, payload, Opcode::Binary, true, -1);
    assert_eq!(sent.ok(), Some(payload.len()));
    assert!(task.abort(ws).is_ok());
}

fn receive(length: usize, pace: &Pace) {
    // A frame from a server: binary, FIN, its length.
    let header: &[u8] = match length {
        SHORT => &[0x82, 126, 4, 0],
        _ => &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0],
    };
    let (mut task, ws) = open(header, length, pace);
    let mut buffer = [0; 256];
    let mut came = 0;
    while came < length {
        let piece = task.recv_msg(ws, &mut buffer, -1);
        came += piece.unwrap_or_else(|why| panic!("{why}")).length;
    }
    assert_eq!(came, length);
    assert!(task.abort(ws).is_ok());
}
