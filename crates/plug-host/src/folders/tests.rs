//! Ways out of a folder that lead nowhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use plug_grant::{CallSet, Folder};

use super::*;
use crate::file_counts::FileCounts;
use crate::files::{Files, Wish};

/// How long a race may take until both have run.
const RACE_MAX: Duration = Duration::from_secs(20);

const READ: Wish = Wish {
    create: false,
    directory: false,
    exclusive: false,
    truncate: false,
    append: false,
    read: true,
    write: false,
    follow: true,
};

/// A folder with `secret` beside it.
fn house() -> tempfile::TempDir {
    let house = tempfile::tempdir().unwrap();
    fs::create_dir_all(house.path().join("in/sub")).unwrap();
    fs::write(house.path().join("secret"), "secret").unwrap();
    fs::write(house.path().join("in/open"), "open").unwrap();
    fs::write(house.path().join("in/sub/deep"), "deep").unwrap();
    house
}

fn files(path: &Path, write: bool) -> Files {
    Files::new(opened(path, write), FileCounts::default(), false)
}

fn grant(path: &Path, write: bool) -> Grant {
    let mut grant = Grant {
        folders: vec![Folder {
            path: path.to_owned(),
            name: "/data".to_owned(),
            write,
        }],
        ..Grant::default()
    };
    grant.calls = CallSet::ALL;
    grant
}

fn opened(path: &Path, write: bool) -> Arc<Folders> {
    Arc::new(Folders::open(&grant(path, write)).unwrap().unwrap())
}

fn read(files: &mut Files, path: &str) -> Result<Vec<u8>, Errno> {
    let number = files.open(3, path.as_bytes(), READ)?;
    let read = files.read(number, 100);
    files.close(number).unwrap();
    read
}

#[test]
fn files_beneath_are_read_and_nothing_above() {
    let house = house();
    let mut files = files(&house.path().join("in"), false);
    assert_eq!(read(&mut files, "open").unwrap(), b"open");
    assert_eq!(read(&mut files, "./sub//deep").unwrap(), b"deep");
    let outside = house.path().join("secret");
    for path in [
        "../secret",
        "sub/../../secret",
        "sub/..",
        "..",
        "/etc/passwd",
        "open\0",
        outside.to_str().unwrap(),
    ] {
        assert_eq!(read(&mut files, path), Err(Errno::PERM), "{path}");
    }
    let sub = files
        .open(
            3,
            b"sub",
            Wish {
                directory: true,
                ..READ
            },
        )
        .unwrap();
    assert!(files.open(sub, b"deep", READ).is_ok());
    assert_eq!(files.open(sub, b"../open", READ).unwrap_err(), Errno::PERM);
    assert_eq!(files.open(99, b"open", READ).unwrap_err(), Errno::BADF);
}

#[test]
fn links_are_followed_as_long_as_they_stay_beneath() {
    let house = house();
    let inside = house.path().join("in");
    symlink("../secret", inside.join("up")).unwrap();
    symlink(house.path().join("secret"), inside.join("absolute")).unwrap();
    symlink("..", inside.join("parent")).unwrap();
    symlink("/proc/self/root", inside.join("magic")).unwrap();
    symlink("sub/deep", inside.join("good")).unwrap();
    symlink("loop", inside.join("loop")).unwrap();
    let mut files = files(&inside, true);
    assert_eq!(read(&mut files, "good").unwrap(), b"deep");
    for path in ["up", "absolute", "parent/secret", "magic/etc/passwd", "loop"] {
        assert!(read(&mut files, path).is_err(), "{path}");
        assert!(files.about_path(3, path.as_bytes(), true).is_err(), "{path}");
    }
    let make = Wish {
        create: true,
        write: true,
        truncate: true,
        ..READ
    };
    for path in ["up", "absolute", "parent/new"] {
        assert!(files.open(3, path.as_bytes(), make).is_err(), "{path}");
    }
    assert_eq!(fs::read(house.path().join("secret")).unwrap(), b"secret");
}

#[test]
fn without_openat2_no_link_is_followed_at_all() {
    let house = house();
    let inside = house.path().join("in");
    symlink("../secret", inside.join("up")).unwrap();
    symlink("..", inside.join("parent")).unwrap();
    symlink("sub", inside.join("same")).unwrap();
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let root = rustix::fs::open(&inside, flags | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let find = |path: &str| walk(root.as_fd(), path.as_bytes(), flags, Mode::empty());
    assert!(find("open").is_ok() && find("sub/deep").is_ok() && find(".").is_ok());
    for path in ["up", "parent/secret", "same/deep"] {
        assert!(find(path).is_err(), "{path}");
    }
}

#[test]
fn a_folder_that_is_moved_away_opens_no_door() {
    let house = house();
    let inside = house.path().join("in");
    let mut files = files(&inside, false);
    let sub = files
        .open(
            3,
            b"sub",
            Wish {
                directory: true,
                ..READ
            },
        )
        .unwrap();
    fs::rename(inside.join("sub"), house.path().join("moved")).unwrap();
    assert_eq!(files.open(sub, b"deep", READ).unwrap_err(), Errno::NOENT);
    assert!(files.list(sub).is_err() && files.about(sub).is_err());
    symlink("../moved", inside.join("sub")).unwrap();
    assert!(files.open(sub, b"deep", READ).is_err());
}

#[test]
fn whoever_renames_links_and_folders_all_the_time_never_lets_anything_out() {
    let house = house();
    let inside = house.path().join("in");
    fs::create_dir(inside.join("real")).unwrap();
    fs::write(inside.join("real/secret"), "harmless").unwrap();
    symlink("..", inside.join("link")).unwrap();
    let mut files = files(&inside, false);
    let ends = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(Ordering::Relaxed) {
                let _ = fs::rename(inside.join("real"), inside.join("now"));
                let _ = fs::rename(inside.join("now"), inside.join("real"));
                let _ = fs::rename(inside.join("link"), inside.join("now"));
                let _ = fs::rename(inside.join("now"), inside.join("link"));
            }
        });
        let (mut seen, mut tries) = (0, 0);
        let until = Instant::now() + RACE_MAX;
        // The other thread may be kept waiting for a while on a busy machine.
        while tries < 2_000 || (seen == 0 && Instant::now() < until) {
            tries += 1;
            if let Ok(bytes) = read(&mut files, "now/secret") {
                assert_eq!(bytes, b"harmless");
                seen += 1;
            }
        }
        ends.store(true, Ordering::Relaxed);
        seen
    });
    assert!(seen > 0, "the race was never run");
}

#[test]
fn nothing_is_changed_where_only_reading_is_granted() {
    let house = house();
    let mut reading = files(&house.path().join("in"), false);
    let wishes = [
        Wish { write: true, ..READ },
        Wish { create: true, ..READ },
        Wish { truncate: true, ..READ },
        Wish { append: true, ..READ },
    ];
    for wish in wishes {
        assert_eq!(reading.open(3, b"open", wish).unwrap_err(), Errno::ROFS, "{wish:?}");
    }
    let number = reading.open(3, b"open", READ).unwrap();
    assert_eq!(reading.write(number, b"x").unwrap_err(), Errno::BADF);
    let mut writing = files(&house.path().join("in"), true);
    let make = Wish {
        create: true,
        write: true,
        ..READ
    };
    let number = writing.open(3, b"sub/new", make).unwrap();
    assert_eq!(writing.write(number, b"made").unwrap(), 4);
    assert_eq!(fs::read(house.path().join("in/sub/new")).unwrap(), b"made");
}

#[test]
fn pipes_are_refused_at_once_and_open_files_are_counted() {
    let house = house();
    let inside = house.path().join("in");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        inside.join("pipe"),
        rustix::fs::FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let mut files = files(&inside, false);
    assert_eq!(files.open(3, b"pipe", READ).unwrap_err(), Errno::ACCESS);
    let numbers: Vec<u32> = (0..32).map(|_| files.open(3, b"open", READ).unwrap()).collect();
    assert_eq!(files.open(3, b"open", READ).unwrap_err(), Errno::MFILE);
    files.close(numbers[7]).unwrap();
    assert_eq!(files.open(3, b"open", READ), Ok(numbers[7]));
    assert_eq!(files.preopened(3), Some("/data"));
    assert_eq!(files.preopened(4), None);
}

const MAKE: Wish = Wish {
    create: true,
    write: true,
    ..READ
};

#[test]
fn what_does_not_serve_changes_copies_that_are_gone_with_it() {
    let house = house();
    let inside = house.path().join("in");
    symlink("../secret", inside.join("up")).unwrap();
    let mut files = Files::new(opened(&inside, true), FileCounts::default(), true);
    let append = Wish { append: true, ..MAKE };
    let known = files.open(3, b"open", append).unwrap();
    assert_eq!(files.write(known, b" more"), Ok(5));
    let new = files.open(3, b"sub/new", MAKE).unwrap();
    assert_eq!(files.write(new, b"made"), Ok(4));
    let emptied = Wish { truncate: true, ..MAKE };
    files.open(3, b"sub/deep", emptied).unwrap();
    // The plugin finds what it has written.
    assert_eq!(read(&mut files, "open").unwrap(), b"open more");
    assert_eq!(read(&mut files, "sub/new").unwrap(), b"made");
    assert_eq!(read(&mut files, "sub/deep").unwrap(), b"");
    assert_eq!(files.about_path(3, b"sub/new", true).unwrap().st_size, 4);
    for (path, wish, why) in [
        (
            "sub/new",
            Wish {
                exclusive: true,
                ..MAKE
            },
            Errno::EXIST,
        ),
        (
            "open",
            Wish {
                exclusive: true,
                ..MAKE
            },
            Errno::EXIST,
        ),
        ("nowhere/new", MAKE, Errno::NOENT),
        ("absent", Wish { write: true, ..READ }, Errno::NOENT),
        ("up", MAKE, Errno::XDEV),
        ("../new", MAKE, Errno::PERM),
    ] {
        assert_eq!(files.open(3, path.as_bytes(), wish).unwrap_err(), why, "{path}");
    }
    drop(files);
    assert_eq!(fs::read(inside.join("open")).unwrap(), b"open");
    assert_eq!(fs::read(inside.join("sub/deep")).unwrap(), b"deep");
    assert!(!inside.join("sub/new").exists());
    assert_eq!(fs::read(house.path().join("secret")).unwrap(), b"secret");
}

#[test]
fn copies_are_bounded_in_number_and_size() {
    let house = house();
    let inside = house.path().join("in");
    let large = fs::File::create(inside.join("large")).unwrap();
    large.set_len(40 << 20).unwrap();
    let larger = fs::File::create(inside.join("larger")).unwrap();
    larger.set_len(40 << 20).unwrap();
    let mut files = Files::new(opened(&inside, true), FileCounts::default(), true);
    let change = Wish { write: true, ..READ };
    let number = files.open(3, b"large", change).unwrap();
    files.close(number).unwrap();
    assert_eq!(files.open(3, b"larger", change).unwrap_err(), Errno::FBIG);
    for made in 0..31 {
        let number = files.open(3, format!("{made}").as_bytes(), MAKE).unwrap();
        files.close(number).unwrap();
    }
    assert_eq!(files.open(3, b"one more", MAKE).unwrap_err(), Errno::MFILE);
}

#[test]
fn files_of_all_instances_are_counted_together() {
    let house = house();
    let inside = house.path().join("in");
    let bounds = |open_max, written_bytes_max| {
        Arc::new(crate::file_counts::FileCount::new(crate::FileBounds {
            open_max,
            written_bytes_max,
        }))
    };
    let counts = FileCounts {
        plugin: bounds(2, 4_096 + 10),
        process: bounds(100, 1 << 20),
    };
    let instance = || Files::new(opened(&inside, true), counts.clone(), false);
    let (mut one, mut other) = (instance(), instance());
    let new = one.open(3, b"new", MAKE).unwrap();
    other.open(3, b"sub", READ).unwrap();
    assert_eq!(other.open(3, b"open", READ).unwrap_err(), Errno::MFILE);
    assert_eq!(one.write(new, b"0123456789"), Ok(10));
    assert_eq!(one.write(new, b"0"), Err(Errno::DQUOT));
    // An instance that ends gives back what it had open, and not what it has written.
    drop(one);
    let known = other.open(3, b"open", MAKE).unwrap();
    assert_eq!(other.write(known, b"0"), Err(Errno::DQUOT));
    assert_eq!(other.open(3, b"another", MAKE).unwrap_err(), Errno::MFILE);
    other.close(known).unwrap();
    assert_eq!(other.open(3, b"another", MAKE).unwrap_err(), Errno::DQUOT);
    assert!(!inside.join("another").exists());
}

#[test]
fn a_folder_that_is_taken_away_is_gone_with_what_is_open_in_it() {
    let house = house();
    let inside = house.path().join("in");
    let mut files = files(&inside, true);
    let known = files.open(3, b"open", Wish { write: true, ..READ }).unwrap();
    files.narrow(Some(&grant(&inside, false)));
    assert_eq!(files.read(known, 10).unwrap(), b"open");
    assert_eq!(files.write(known, b"x"), Err(Errno::BADF));
    assert_eq!(files.open(3, b"new", MAKE).unwrap_err(), Errno::ROFS);
    files.narrow(Some(&Grant::default()));
    assert!(files.preopened(3).is_none());
    assert_eq!(files.read(known, 10), Err(Errno::BADF));
    assert_eq!(files.open(3, b"open", READ).unwrap_err(), Errno::BADF);
    assert!(files.list(3).is_err() && files.about_path(3, b"open", true).is_err());
    files.narrow(None);
    assert_eq!(files.write(known, b"x"), Ok(1));
}

/// A rollout names a generation by what this says: it must not begin anew because a folder was opened once more.
#[test]
fn a_folder_is_told_the_same_each_time_it_is_opened_until_it_is_another() {
    let house = house();
    let inside = house.path().join("in");
    let told = || format!("{:?}", opened(&inside, true));
    let held = opened(&inside, true);
    let first = told();
    assert_eq!(first, told());
    assert_eq!(*held, *opened(&inside, true));
    assert_ne!(first, format!("{:?}", opened(&inside, false)));
    fs::rename(&inside, house.path().join("before")).unwrap();
    fs::create_dir(&inside).unwrap();
    assert_ne!(first, told());
    assert_ne!(*held, *opened(&inside, true));
}
