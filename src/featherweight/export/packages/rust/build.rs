fn main() {
    let mut build = cc::Build::new();
    build.file("src/model.c").file("src/model_check.c").std("c99");
    build.file("src/model_frame.c");
    if std::env::var_os("CARGO_FEATURE_FAST").is_some() {
        build.define("MODEL_FAST", None);
    }
    build.compile("model_c");
    println!("cargo:rerun-if-changed=src");
}
