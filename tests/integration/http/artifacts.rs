//! Files of models that cannot be trusted, and a change of the secret that signs them.

use std::process::{Command, Output};
use std::sync::Arc;

use recotem::ml::artifact::sign;
use recotem::platform::config::Settings;
use secrecy::SecretString;
use serde_json::json;

use crate::support::SECRET as OLD;
use crate::support::prepared::{Prepared, prepare};
use crate::support::slots;
use crate::support::{Caller, TestApp};

/// A project with several models of the same kind and data, and a program with its key.
struct Stage {
    prepared: Prepared,
    program: Caller,
    models: Vec<i64>,
}

impl Stage {
    async fn open(app: &TestApp, n_models: usize) -> Self {
        let prepared = prepare(app.user("margarete").await, "P", "TopPop").await;
        let mut models = Vec::new();
        for _ in 0..n_models {
            models.push(prepared.train().await["id"].as_i64().expect("a model"));
        }
        let program = app.anonymous().with_key(&prepared.key("program", "predict").await);
        Self { prepared, program, models }
    }

    fn by_slot(&self) -> String {
        format!("/inference/predict/project/{}", self.prepared.project)
    }
}

fn file_of(model: i64) -> String {
    format!("models/{model}.safetensors")
}

/// A fault of a file.
struct Fault {
    name: &'static str,
    code: &'static str,
    /// The app, the model whose file it is, another model.
    happens: fn(&TestApp, i64, i64),
    /// SQL that belongs to the fault, with `$model` and `$other`.
    sql: &'static str,
}

fn rewrite(app: &TestApp, model: i64, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let bytes = app.services.blobs.read(&file_of(model)).expect("a file");
    app.services.blobs.write(&file_of(model), &change(bytes)).expect("a place");
}

fn flip(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    bytes[at] ^= 1;
    bytes
}

fn swap(app: &TestApp, model: i64, other: i64) {
    rewrite(app, model, |_| app.services.blobs.read(&file_of(other)).expect("another file"));
}

const FAULTS: [Fault; 10] = [
    Fault {
        name: "a bit of the header",
        code: "model_file_untrusted",
        happens: |app, model, _| rewrite(app, model, |bytes| flip(bytes, 20)),
        sql: "",
    },
    Fault {
        name: "a bit at the end",
        code: "model_file_untrusted",
        happens: |app, model, _| {
            rewrite(app, model, |bytes| {
                let last = bytes.len() - 1;
                flip(bytes, last)
            })
        },
        sql: "",
    },
    Fault {
        name: "cut short",
        code: "model_file_untrusted",
        happens: |app, model, _| rewrite(app, model, |bytes| bytes[..bytes.len() / 2].to_vec()),
        sql: "",
    },
    Fault {
        name: "emptied",
        code: "model_file_untrusted",
        happens: |app, model, _| rewrite(app, model, |_| Vec::new()),
        sql: "",
    },
    Fault {
        name: "another key",
        code: "model_file_untrusted",
        happens: |_, _, _| {},
        sql: "UPDATE trained_models SET signature = '$forged' WHERE id = $model",
    },
    Fault { name: "another file", code: "model_file_untrusted", happens: swap, sql: "" },
    Fault {
        name: "another file with its own signature",
        code: "model_file_untrusted",
        happens: swap,
        sql:
            "UPDATE trained_models SET (signature, filesize) = (SELECT signature, filesize FROM trained_models WHERE id = $other)
              WHERE id = $model",
    },
    Fault {
        name: "a symbolic link to the same bytes",
        code: "model_file_untrusted",
        happens: |app, model, _| {
            let file = app.services.settings.data_dir.join("files").join(file_of(model));
            let elsewhere = app.services.settings.data_dir.join("elsewhere");
            std::fs::copy(&file, &elsewhere).expect("a copy");
            std::fs::remove_file(&file).expect("it was there");
            std::os::unix::fs::symlink(&elsewhere, &file).expect("a link");
        },
        sql: "",
    },
    Fault {
        name: "missing",
        code: "model_file_missing",
        happens: |app, model, _| app.services.blobs.remove(&file_of(model)).expect("it was there"),
        sql: "",
    },
    Fault {
        name: "the store is gone",
        code: "model_file_missing",
        happens: |app, _, _| {
            let folder = app.services.settings.data_dir.join("files/models");
            std::fs::rename(&folder, folder.with_extension("gone")).expect("a folder");
        },
        sql: "",
    },
];

/// The code of a model whose row names no file.
const WITHDRAWN: &str = "model_file_removed";

#[tokio::test(flavor = "multi_thread")]
async fn no_bad_file_is_used_and_what_answered_before_goes_on() {
    let app = TestApp::start_with_worker().await;
    let stage = Stage::open(&app, 3).await;
    let [good, model, other] = stage.models[..] else { panic!("three models") };
    let slot = slots::make(&stage.prepared, good, json!({ "name": "main" })).await.expect(201).id();
    let by_slot = stage.by_slot();
    let ask = json!({ "user_id": "007" });
    let answered = async |name: &str| {
        let answer = stage.program.post(&by_slot, ask.clone()).await;
        (answer.body["slot_name"] == name).then(|| answer.expect(200).body["model_id"].clone())
    };
    app.soon("the slot answers", async || answered("main").await.is_some()).await;
    let whole = app.services.blobs.read(&file_of(model)).expect("a file");
    let signature = app.services.blobs.read(&format!("{}.sig", file_of(model))).expect("a signature");
    let (signature, size) = (String::from_utf8(signature).expect("a text"), whole.len());
    let whole_again = format!("UPDATE trained_models SET signature = '{signature}', filesize = {size} WHERE id = {model};");
    let paths = [format!("/inference/predict/{model}"), format!("/inference/related/{model}")];
    let of_model = async |path: &str| {
        let body = json!({ "user_id": "007", "item_ids": ["x"] });
        stage.program.post(path, body).await.body["code"].as_str().unwrap_or_default().to_owned()
    };
    // A server that cannot read a row in time uses the one that it knows. So that it never knows one that fits a whole file, which
    // it would load and keep, the row has no signature while the file changes.
    let withdraw = async || {
        app.execute(&format!("UPDATE trained_models SET signature = NULL WHERE id = {model}")).await;
        app.soon("the model has no file", async || of_model(&paths[0]).await == WITHDRAWN).await;
    };

    withdraw().await;
    for fault in FAULTS {
        let forged = sign(&whole, b"a key of somebody else", "0badf00d");
        (fault.happens)(&app, model, other);
        let sql = fault.sql.replace("$model", &model.to_string()).replace("$other", &other.to_string());
        app.execute(&format!("{whole_again} {}", sql.replace("$forged", &forged))).await;

        app.execute(&format!(
            "UPDATE deployment_slots SET trained_model_id = {model}, name = '{}' WHERE id = {slot}",
            fault.name
        ))
        .await;
        app.soon(fault.name, async || answered(fault.name).await.is_some()).await;
        assert_eq!(answered(fault.name).await, Some(json!(good)), "{}", fault.name);
        for path in &paths {
            let refused = async || {
                let code = of_model(path).await;
                assert!([fault.code, WITHDRAWN].contains(&code.as_str()), "{}: {code:?}", fault.name);
                code == fault.code
            };
            app.soon(fault.name, refused).await;
        }
        let download = stage.prepared.user.get(&format!("trained_model/{model}/download_file/")).await;
        match fault.code {
            "model_file_missing" => drop(download.expect(404)),
            code => assert_eq!(download.expect(503).body["code"], code, "{}", fault.name),
        }
        // A fresh process has no model in memory: it reports the fault, and serves everything else.
        let fresh = app.replica(|_| {});
        app.soon("it starts", async || fresh.get("/inference/ready").await.status.as_u16() == 200).await;
        let program = fresh.with_key(&stage.prepared.key(fault.name, "predict").await);
        let refused = async || program.post(&by_slot, ask.clone()).await.expect(503).body["code"] == fault.code;
        app.soon(fault.name, refused).await;

        // The slot goes back first: a server that still asks for the model would load the whole file, and keep it in memory.
        app.execute(&format!("UPDATE deployment_slots SET trained_model_id = {good}, name = 'main' WHERE id = {slot}")).await;
        app.soon("back", async || answered("main").await.is_some()).await;
        withdraw().await;
        let folder = app.services.settings.data_dir.join("files/models");
        let _ = std::fs::rename(folder.with_extension("gone"), &folder);
        app.services.blobs.write(&file_of(model), &whole).expect("a place");
    }
    // A file that has been restored is used.
    app.execute(&whole_again).await;
    app.soon("the whole file is read", async || stage.program.post(&paths[0], ask.clone()).await.status == 200).await;
    app.execute(&format!("UPDATE deployment_slots SET trained_model_id = {model} WHERE id = {slot}")).await;
    app.soon("the whole file is used", async || answered("main").await == Some(json!(model))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deployed_is_in_memory_before_anybody_asks() {
    let app = TestApp::start_with_worker().await;
    let stage = Stage::open(&app, 2).await;
    let [first, second] = stage.models[..] else { panic!("two models") };
    let slot = slots::make(&stage.prepared, first, json!({ "name": "main" })).await.expect(201).id();
    let loaded = async |server: &Caller| server.get("/inference/models").await.expect(200).body["models"].clone();
    let anonymous = app.anonymous();
    app.soon("a new slot's model is loaded", async || loaded(&anonymous).await == json!([first])).await;

    let fresh = app.replica(|_| {});
    app.soon("it is ready", async || fresh.get("/inference/ready").await.body["status"] == "ready").await;
    assert_eq!(loaded(&fresh).await, json!([first]));
    app.execute(&format!("UPDATE deployment_slots SET trained_model_id = {second} WHERE id = {slot}")).await;
    app.soon("its successor is loaded too", async || loaded(&fresh).await == json!([first, second])).await;

    let lazy = app.replica(|services| {
        services.settings = Arc::new(Settings { preload_models: false, ..Settings::clone(&services.settings) });
    });
    lazy.get("/inference/ready").await.expect(200);
    assert_eq!(loaded(&lazy).await, json!([]));
    let program = lazy.with_key(&stage.prepared.key("other", "predict").await);
    program.post(&stage.by_slot(), json!({ "user_id": "007" })).await.expect(200);
    assert_eq!(loaded(&lazy).await, json!([second]));
}

const NEW: &str = "another secret of the tests, long enough as well";

/// Runs the command as the operator of the install does.
fn resign(app: &TestApp, previous: &str) -> (Output, String) {
    resign_with(app, previous, &[])
}

fn resign_with(app: &TestApp, previous: &str, options: &[&str]) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recotem"));
    command.arg("resign-models").args(options).arg("--data-dir").arg(&app.services.settings.data_dir);
    command.env("DATABASE_URL", app.services.db.url()).env("SECRET_KEY", NEW);
    command.env("RECOTEM_PREVIOUS_SECRET_KEYS", json!([previous]).to_string());
    let output = command.output().expect("the command starts");
    let said = String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned();
    (output, said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_secret_takes_over_without_a_model_lost() {
    let app = TestApp::start_with_worker().await;
    let stage = Stage::open(&app, 2).await;
    let [whole, damaged] = stage.models[..] else { panic!("two models") };
    let ask = json!({ "user_id": "007" });
    let path = |model: i64| format!("/inference/predict/{model}");
    stage.program.post(&path(whole), ask.clone()).await.expect(200);
    let bytes = app.services.blobs.read(&file_of(damaged)).expect("a file");
    rewrite(&app, damaged, |bytes| flip(bytes, 99));

    // A server with both secrets reads what the old one signed; with the new one alone it does not.
    let with = |previous: &'static [&'static str]| {
        app.replica(move |services| {
            let previous_secret_keys = previous.iter().map(|secret| SecretString::from(*secret)).collect();
            services.settings = Arc::new(Settings { previous_secret_keys, ..Settings::clone(&services.settings) });
            services.secret = Arc::new(NEW.into());
        })
    };
    let key = stage.prepared.key("other", "predict").await;
    let (both, alone) = (with(&[OLD]).with_key(&key), with(&[]).with_key(&key));
    both.post(&path(whole), ask.clone()).await.expect(200);
    assert_eq!(alone.post(&path(whole), ask.clone()).await.expect(503).body["code"], "model_file_untrusted");

    let (output, said) = resign(&app, "some other secret of long ago, long enough");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Newly signed: 0") && said.contains(&format!("Model {whole} was left alone")), "{said}");

    let (output, said) = resign_with(&app, OLD, &["--dry-run"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("(1 would be signed)") && said.contains("Dry run complete. No changes made."), "{said}");
    assert_eq!(alone.post(&path(whole), ask.clone()).await.expect(503).body["code"], "model_file_untrusted");

    let (output, said) = resign(&app, OLD);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Newly signed: 1") && said.contains(&format!("Model {damaged} was left alone")), "{said}");
    assert!(!said.contains(&format!("Model {whole} ")), "{said}");
    // It takes a moment until servers are notified of new signatures.
    let answers = async |server: &Caller, model: i64| {
        app.soon("the model answers", async || server.post(&path(model), ask.clone()).await.status == 200).await;
    };
    answers(&alone, whole).await;
    assert_eq!(alone.post(&path(damaged), ask.clone()).await.expect(503).body["code"], "model_file_untrusted");

    app.services.blobs.write(&file_of(damaged), &bytes).expect("a place");
    let (output, said) = resign(&app, OLD);
    assert!(output.status.success() && said.contains("Newly signed: 1") && said.contains("Already signed: 1"), "{said}");
    let (output, said) = resign(&app, "");
    assert!(output.status.success() && said.contains("Newly signed: 0") && said.contains("Already signed: 2"), "{said}");
    for model in [whole, damaged] {
        answers(&alone, model).await;
        answers(&both, model).await;
        let beside =
            String::from_utf8(app.services.blobs.read(&format!("{}.sig", file_of(model))).expect("a signature")).expect("text");
        let same = format!("SELECT count(*) AS count FROM trained_models WHERE id = {model} AND signature = '{beside}'");
        assert_eq!(app.count(&same).await, 1);
    }
    // A server without the new secret continues with the models in memory, and with those alone.
    stage.program.post(&path(whole), ask.clone()).await.expect(200);
    stage.program.post(&path(damaged), ask.clone()).await.expect(503);
}
