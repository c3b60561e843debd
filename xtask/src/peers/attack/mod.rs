//! Attacks on `ws` by hostile peers and broken pipes: what others feel of them, and how it ends.

mod attacks;
mod client_attacks;
mod clients;
mod field;
mod figures;
mod peer;
mod random;
mod serve;
mod soak;
mod target;
mod traffic;

use crate::interop::{self, Driver};
use crate::report::{Table, Verdict, skipped};
use crate::{Result, load, shell};
use attacks::{ATTACKS, Attack, FILES};
use client_attacks::{CLIENT_ATTACKS, ClientAttack};
use clients::Client;
use serve::Play;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// For the help text.
pub(crate) const OPTIONS: &str = "[--driver blocking|async] [--only NAME]... [--list] [--seconds N] \
     [--soak MINUTES] [--seed N] [--require] [--release] [--ws PATH]";

/// What takes no time of others is done so many at a time.
const LANES: usize = 4;

struct Options {
    drivers: Vec<Driver>,
    only: Vec<String>,
    list: bool,
    seconds: Duration,
    soak: Option<u64>,
    seed: u64,
    require: bool,
    release: bool,
    ws: Option<PathBuf>,
    /// This is the run in a network namespace that `--soak` starts.
    lossy: bool,
}

impl Options {
    const fn play<'a>(&self, ws: &'a Path, driver: Driver) -> Play<'a> {
        Play {
            ws,
            driver,
            seconds: self.seconds,
            seed: self.seed,
        }
    }
}

/// `cargo xtask attack`.
pub(crate) fn run(args: &[String]) -> Result {
    let options = parse(args)?;
    let chosen = Chosen::new(&options.only)?;
    if options.list {
        chosen.list();
        return Ok(());
    }
    let files = match able() {
        Ok(files) => files,
        Err(why) => return skipped(&why, options.require),
    };
    let ws = match &options.ws {
        Some(path) => path.clone(),
        None => shell::build_ws(options.release)?,
    };
    println!("--seed {} plays the same again", options.seed);
    if let Some(minutes) = options.soak {
        return soaks(&options, &ws, minutes);
    }
    let names = chosen.names(&options.drivers);
    let mut table = Table::new(names.iter().map(String::as_str));
    for &driver in &options.drivers {
        let how = options.play(&ws, driver);
        chosen.on_clients(&how, &mut table);
        chosen.on_servers(&how, files, &mut table);
    }
    table.finish(options.require)
}

/// `--soak`: both drivers one after the other, each with loss beside it.
fn soaks(options: &Options, ws: &Path, minutes: u64) -> Result {
    let mut table = Table::new(["async-soak-with-loss"]);
    if minutes < 2 && !options.lossy {
        println!("SKIPPED: whether memory grows shows from --soak 2 on");
    }
    for &driver in &options.drivers {
        let how = options.play(ws, driver);
        let began = Instant::now();
        let (soaked, lossy) = std::thread::scope(|scope| {
            let lossy = scope.spawn(|| (!options.lossy).then(|| soak::with_loss(&how, minutes)));
            let soaked = soak::soak(&how, minutes, options.lossy);
            (soaked, lossy.join().unwrap_or_default())
        });
        let (figures, verdict) = match soaked {
            Ok(soaked) => (soaked.figures, verdict(soaked.problems)),
            Err(why) => (String::new(), Verdict::Fail(why)),
        };
        table.measured(&driver.named("soak"), began.elapsed(), &figures, verdict);
        let (figures, verdict) = match lossy {
            None => continue,
            Some(Err(why)) => (String::new(), Verdict::Skip(why)),
            Some(Ok(Err(why))) => (String::new(), Verdict::Fail(why)),
            Some(Ok(Ok(said))) => (said, Verdict::Pass),
        };
        let name = driver.named("soak-with-loss");
        table.measured(&name, began.elapsed(), &figures, verdict);
    }
    table.finish(options.require)
}

/// The attacks that are to be played.
struct Chosen {
    servers: Vec<&'static Attack>,
    clients: Vec<&'static ClientAttack>,
}

impl Chosen {
    fn new(only: &[String]) -> Result<Self> {
        let known = |name: &str| {
            let clients = CLIENT_ATTACKS.iter();
            ATTACKS.iter().any(|it| it.name == name)
                || clients
                    .map(|it| clients::named(it.name))
                    .any(|it| it == name)
        };
        if let Some(name) = only.iter().find(|name| !known(name)) {
            return Err(format!(
                "no attack `{name}`; `cargo xtask attack --list` lists them"
            ));
        }
        let wanted = |name: &str| only.is_empty() || only.iter().any(|it| it == name);
        let servers = ATTACKS.iter().filter(|it| wanted(it.name));
        let clients = CLIENT_ATTACKS.iter();
        let clients = clients.filter(|it| wanted(&clients::named(it.name)));
        Ok(Self {
            servers: servers.collect(),
            clients: clients.collect(),
        })
    }

    fn list(&self) {
        let servers = self.servers.iter();
        let servers = servers.map(|it| (it.name.to_owned(), it.about));
        let clients = self.clients.iter();
        let clients = clients.map(|it| (clients::named(it.name), it.about));
        for (name, about) in servers.chain(clients) {
            println!("{name:28}  {about}");
        }
    }

    /// What the rows are called.
    fn names(&self, drivers: &[Driver]) -> Vec<String> {
        let mut names = Vec::new();
        for &driver in drivers {
            let clients = self.on(driver).into_iter();
            names.extend(clients.map(|(client, attack)| client.named(attack.name)));
            names.extend(self.servers.iter().map(|it| driver.named(it.name)));
        }
        names
    }

    /// The attacks on clients, with whom they are played.
    fn on(&self, driver: Driver) -> Vec<(Client, &'static ClientAttack)> {
        let clients = Client::of(driver).iter().flat_map(|client| {
            let attacks = self.clients.iter().copied();
            let attacks = attacks.filter(|attack| client.suffers(attack));
            attacks.map(|attack| (*client, attack))
        });
        clients.collect()
    }

    /// What takes no time of others is played beside each other.
    fn on_clients(&self, how: &Play<'_>, table: &mut Table) {
        let clients = self.on(how.driver);
        let played = lanes(clients.len(), |index| {
            let began = Instant::now();
            let (client, attack) = clients.get(index).ok_or("no such attack")?;
            let outcome = clients::play(how.ws, *client, attack);
            Ok((outcome, began.elapsed()))
        });
        for ((client, attack), played) in clients.iter().zip(played) {
            let (outcome, took) = played.unwrap_or_else(|why| (Err(why), Duration::ZERO));
            let (figures, problems) = match outcome {
                Ok(outcome) => (outcome.to_string(), outcome.problems),
                Err(why) => (String::new(), vec![why]),
            };
            let name = client.named(attack.name);
            table.measured(&name, took, &figures, verdict(problems));
        }
    }

    fn on_servers(&self, how: &Play<'_>, files: usize, table: &mut Table) {
        let attacks = self.servers.iter().copied();
        let (attacks, not): (Vec<&Attack>, Vec<&Attack>) =
            attacks.partition(|it| it.files <= files);
        for attack in not {
            let why = format!(
                "only {files} files may be open; run: ulimit -n {}",
                attack.files
            );
            let name = how.driver.named(attack.name);
            table.row(&name, Duration::ZERO, Verdict::Skip(why));
        }
        let ends = lanes(attacks.len(), |index| {
            let attack = attacks.get(index).ok_or("no such attack")?;
            serve::end(how, attack)
        });
        for (attack, end) in attacks.iter().zip(ends) {
            let began = Instant::now();
            let played = serve::play(how, attack).and_then(|mut figures| {
                (figures.ended, figures.exit) = end?;
                Ok(figures)
            });
            let (figures, problems) = match played {
                Ok(figures) => (figures.to_string(), figures.problems()),
                Err(why) => (String::new(), vec![why]),
            };
            let name = how.driver.named(attack.name);
            table.measured(&name, began.elapsed(), &figures, verdict(problems));
        }
    }
}

/// Does things beside each other, [`LANES`] at a time.
fn lanes<T: Send>(count: usize, work: impl Fn(usize) -> Result<T> + Sync) -> Vec<Result<T>> {
    let next = AtomicUsize::new(0);
    let lane = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return done;
            }
            done.push((index, work(index)));
        }
    };
    let mut done: Vec<_> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(lane)).collect();
        let done = lanes
            .into_iter()
            .flat_map(|it| it.join().unwrap_or_default());
        done.collect()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

fn verdict(problems: Vec<String>) -> Verdict {
    if problems.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Fail(problems.join("\n"))
    }
}

/// Can it be played here? How many files may be open.
fn able() -> Result<usize> {
    if !cfg!(target_os = "linux") {
        return Err("the measurements are read from Linux's /proc".to_owned());
    }
    let files = load::raise_file_limit().unwrap_or(usize::MAX);
    if files < FILES {
        return Err(format!(
            "only {files} files may be open; run: ulimit -n {FILES}"
        ));
    }
    Ok(files)
}

fn parse(args: &[String]) -> Result<Options> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let mut options = Options {
        drivers: vec![Driver::Blocking, Driver::Async],
        only: Vec::new(),
        list: false,
        seconds: Duration::from_millis(800),
        soak: None,
        seed: now.map_or(0, |now| u64::from(now.subsec_nanos())),
        require: false,
        release: false,
        ws: None,
        lossy: false,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("`{arg}` needs a value"));
        match arg.as_str() {
            "--driver" => options.drivers = vec![driver(value()?)?],
            "--only" => options.only.push(value()?.clone()),
            "--list" => options.list = true,
            "--seconds" => options.seconds = seconds(value()?)?,
            "--soak" => options.soak = Some(minutes(value()?)?),
            "--seed" => options.seed = number(value()?)?,
            "--lossy" => options.lossy = true,
            "--require" => options.require = true,
            "--release" => options.release = true,
            "--ws" => options.ws = Some(interop::found(value()?)?),
            _ => return Err(format!("no option `{arg}`; there is {OPTIONS}")),
        }
    }
    Ok(options)
}

fn driver(name: &str) -> Result<Driver> {
    match name {
        "blocking" => Ok(Driver::Blocking),
        "async" => Ok(Driver::Async),
        _ => Err(format!(
            "--driver {name}: there is blocking and async; both without it"
        )),
    }
}

fn number(text: &str) -> Result<u64> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

fn minutes(text: &str) -> Result<u64> {
    let minutes = text.parse().ok().filter(|it| (1..=1_440).contains(it));
    minutes.ok_or_else(|| format!("--soak {text}: 1 to 1440 minutes are possible"))
}

fn seconds(text: &str) -> Result<Duration> {
    let seconds: Option<f64> = text.parse().ok().filter(|it| (0.1..3_600.0).contains(it));
    let seconds = seconds.ok_or_else(|| format!("--seconds {text}: 0.1 to 3600 are possible"))?;
    Ok(Duration::from_secs_f64(seconds))
}
