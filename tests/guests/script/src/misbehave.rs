//! What no sink should do, and what the host must bear.

use std::hint::black_box;

use sluice_sdk::{blob, log, message};

use crate::Wrong;

pub(crate) fn misbehave(how: &str, rest: &str) -> Result<(), Wrong> {
    match how {
        "spin" => spin(),
        "grow" => grow(),
        "recurse" => {
            black_box(recurse(black_box(0)));
            Ok(())
        }
        "trap" => std::process::abort(),
        "error" => Err(format!("an error of the script: {rest}")),
        "flood" => {
            flood();
            Ok(())
        }
        "hoard" => hoard(),
        "gobble" => gobble(),
        other => Err(format!("{other}: no step")),
    }
}

/// Until the fuel is gone.
fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Until the memory is gone.
fn grow() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Until the stack is gone.
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == u64::MAX {
        return depth;
    }
    black_box(recurse(depth + 1)) + frame.iter().sum::<u64>()
}

/// More lines than anybody wants to read; the host cuts them, and the call goes on.
fn flood() {
    let line = "flood ".repeat(1000);
    for _ in 0..1000 {
        log::info(&line);
    }
}

/// Blobs until the host has had enough; its error is the sink's to bear.
fn hoard() -> Result<(), Wrong> {
    let bytes = vec![0_u8; 1 << 20];
    for _ in 0..100_000 {
        blob::create(&bytes).map_err(|error| format!("{error:?}"))?;
    }
    Ok(())
}

/// Asks the host for more work than any message needs.
fn gobble() -> ! {
    loop {
        black_box(message::digest(0, "sha256").is_ok());
    }
}
