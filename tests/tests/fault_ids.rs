//! A stale id is never somebody else's: not after 65,536 connections in a slot, not where the
//! generations come round, in any table.

use ws_socket::{Errno, HandleError, Role, SharedWebSockets, WebSocketId, WebSockets, asynch};
use ws_tests::hand::Hand;
use ws_tests::script::ScriptStack;
use ws_tests::table::lent;
use ws_tests::wire::Script;

/// A connection comes, or goes, or is asked for.
enum Do {
    Open,
    Close(WebSocketId),
    Slot(WebSocketId),
}

type Done = Result<(WebSocketId, usize), HandleError>;

/// A table, by what can be done with it; its generations begin where they should.
type Ids<'t> = Box<dyn FnMut(Do) -> Done + 't>;

fn blocking<const N: usize>(generation: u32) -> Ids<'static> {
    let table = WebSockets::<_, _, N>::new(ScriptStack::new(), Hand::new());
    let mut table = table.with_buffers([(); N].map(|()| lent(256)));
    table.begin_at(generation);
    Box::new(move |what| match what {
        Do::Open => {
            let socket = table.stack().connected();
            let ws = table.register(socket, Role::Client, None, 0).unwrap();
            Ok((ws, ws.slot()))
        }
        Do::Close(ws) => table.abort(ws).map(|()| (ws, 0)),
        Do::Slot(ws) => table.slot(ws).map(|slot| (ws, slot)),
    })
}

fn shared<const N: usize>(generation: u32) -> Ids<'static> {
    let slots: &'static SharedWebSockets<'static, u8, N> =
        Box::leak(Box::new(SharedWebSockets::new()));
    slots.lend([(); N].map(|()| lent(256)));
    slots.begin_at(generation);
    let mut table = slots.attach(ScriptStack::new(), Hand::new());
    Box::new(move |what| match what {
        Do::Open => {
            let socket = table.stack().connected();
            let ws = table.register(socket, Role::Client, None, 0).unwrap();
            Ok((ws, ws.slot()))
        }
        Do::Close(ws) => table.abort(ws).map(|()| (ws, 0)),
        Do::Slot(ws) => table.slot(ws).map(|slot| (ws, slot)),
    })
}

fn asynchronous<const N: usize>(generation: u32) -> Ids<'static> {
    let table = asynch::AsyncWebSockets::<_, _, N>::new(Hand::new());
    let mut table = table.with_buffers([(); N].map(|()| lent(256)));
    table.begin_at(generation);
    Box::new(move |what| match what {
        Do::Open => {
            let stream = Script::new().wire();
            let ws = table.register(stream, Role::Client, &[]);
            let ws = ws.unwrap_or_else(|(error, _)| panic!("{error}"));
            Ok((ws, ws.slot()))
        }
        Do::Close(ws) => table.abort(ws).map(|()| (ws, 0)),
        Do::Slot(ws) => table.slot(ws).map(|slot| (ws, slot)),
    })
}

/// Each kind of table, by its number of slots and the bits that are left for generations.
fn tables(generation: impl Fn(u32) -> u32) -> Vec<(&'static str, usize, u32, Ids<'static>)> {
    macro_rules! tables {
        ($($slots:literal $bits:literal),*) => {
            vec![$(
                ("blocking", $slots, $bits, blocking::<$slots>(generation($bits))),
                ("shared", $slots, $bits, shared::<$slots>(generation($bits))),
                ("async", $slots, $bits, asynchronous::<$slots>(generation($bits))),
            )*]
        };
    }
    tables![1 31, 2 30, 3 29, 4 29, 5 28, 64 25]
}

/// A connection in the one slot that is left free.
fn reopen(table: &mut Ids<'_>) -> WebSocketId {
    table(Do::Open).unwrap().0
}

#[test]
fn an_id_is_stale_after_65_536_reuses() {
    for (kind, slots, _, mut table) in tables(|_| 0) {
        let ids: Vec<_> = (0..slots).map(|_| reopen(&mut table)).collect();
        let first = ids[0];
        let mut current = first;
        for reuse in 0..70_000 {
            table(Do::Close(current)).unwrap();
            current = reopen(&mut table);
            assert!(current.to_raw() >= 0);
            assert_ne!(current, first, "{kind}, {slots} slots, reuse {reuse}");
        }
        assert_eq!(table(Do::Slot(first)), Err(HandleError::Stale));
        assert_eq!(table(Do::Close(first)), Err(HandleError::Stale));
        assert_eq!(table(Do::Slot(current)).unwrap().1, first.slot());
        // The others were not touched.
        for other in &ids[1..] {
            assert_eq!(table(Do::Slot(*other)).unwrap().1, other.slot());
        }
    }
}

/// All the bits are used, and after the last generation comes the first.
#[test]
fn generations_come_round_after_all_bits() {
    for (kind, slots, bits, mut table) in tables(|bits| (1 << bits) - 2) {
        let what = format!("{kind}, {slots} slots");
        let ids: Vec<_> = (0..slots).map(|_| reopen(&mut table)).collect();
        let mut current = ids[0];
        let mut seen = vec![current];
        for _ in 0..4 {
            table(Do::Close(current)).unwrap();
            current = reopen(&mut table);
            assert_eq!(current.slot(), ids[0].slot(), "{what}");
            assert!(!seen.contains(&current), "{what}");
            seen.push(current);
            for old in &seen[..seen.len() - 1] {
                assert!(table(Do::Slot(*old)).is_err(), "{what}");
                assert!(table(Do::Close(*old)).is_err(), "{what}");
            }
            assert!(table(Do::Slot(current)).is_ok(), "{what}");
        }
        let width = 31 - bits;
        let generations: Vec<_> = seen.iter().map(|id| id.to_raw() >> width).collect();
        let last = i32::MAX >> width;
        assert_eq!(generations, [last - 1, last, 0, 1, 2], "{what}");
    }
}

/// What C hands back is the same id, and what it makes up is nobody's.
#[test]
fn a_number_is_an_id() {
    for (kind, slots, _, mut table) in tables(|_| 5) {
        let what = format!("{kind}, {slots} slots");
        let ids: Vec<_> = (0..slots).map(|_| reopen(&mut table)).collect();
        for id in &ids {
            let again = WebSocketId::from_raw(id.to_raw());
            assert_eq!(again, *id);
            assert_eq!(table(Do::Slot(again)).unwrap().1, id.slot(), "{what}");
            for free in [true, false] {
                for wrong in [id.to_raw() | i32::MIN, -1, i32::MIN, i32::MAX] {
                    let wrong = table(Do::Slot(WebSocketId::from_raw(wrong)));
                    assert_eq!(wrong, Err(HandleError::Unknown), "{what}");
                }
                if free {
                    table(Do::Close(again)).unwrap();
                    assert_eq!(table(Do::Slot(again)), Err(HandleError::Stale), "{what}");
                    // The number that this slot gives out next is nobody's yet.
                    let next = id.to_raw() - i32::try_from(id.slot()).unwrap();
                    let next =
                        WebSocketId::from_raw(next * 6 / 5 + i32::try_from(id.slot()).unwrap());
                    assert_eq!(table(Do::Slot(next)), Err(HandleError::Unknown), "{what}");
                    assert_eq!(reopen(&mut table), next, "{what}");
                    table(Do::Close(next)).unwrap();
                }
            }
            reopen(&mut table);
        }
    }
}

/// The errors of an id that is none are those of before.
#[test]
fn stale_is_ebadf_unknown_is_enoent() {
    let table = WebSockets::<_, _, 1>::new(ScriptStack::new(), Hand::new());
    let mut table = table.with_buffers([lent(256)]);
    let socket = table.stack().connected();
    let ws = table.register(socket, Role::Client, None, 0).unwrap();
    table.abort(ws).unwrap();
    let send = |table: &mut WebSockets<'_, _, _, 1>, ws| {
        let sent = table.send_msg(ws, b"x", ws_socket::Opcode::Text, true, 5);
        sent.unwrap_err().errno()
    };
    assert_eq!(send(&mut table, ws), Errno::Ebadf);
    assert_eq!(send(&mut table, WebSocketId::from_raw(77)), Errno::Enoent);
}
