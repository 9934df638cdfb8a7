//! cargo test -- --nocapture
use model_network::{name, Network, CHECKS, CLASSES, PIXELS};
use std::time::Instant;

#[test]
fn the_network_gives_what_it_gave_where_it_was_exported() {
    let mut network = unsafe { Network::new() };
    let begun = Instant::now();
    let checked = network.check();
    let taken = begun.elapsed().as_secs_f64() * 1000.0;
    match checked {
        Ok(()) => println!("PASS: {CHECKS} pictures in {taken:.3} ms"),
        Err(wrong) => panic!("FAIL: picture {wrong}"),
    }
    let (class, scores) = network.read(&[0; PIXELS]);
    assert_eq!(scores[class], *scores.iter().max().unwrap());
    assert!(class < CLASSES && !name(class).is_empty());
}
