"""`vicabench models`: the zoo, the cache, the token budget and tiny checkpoints."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from vica.tiny import write_tiny_checkpoint

from tests import hub as hubs
from tests.support import Vicabench, refuses

REPO = "nkkbr/ViCA2-5p"
WEIGHTS = {f"model-0000{n}-of-00002.safetensors": bytes([n]) * 600_000 for n in (1, 2)}
FILES = {
    **WEIGHTS,
    "model.safetensors.index.json": (
        b'{"weight_map": {"a": "model-00001-of-00002.safetensors",'
        b' "b": "model-00002-of-00002.safetensors"}}'
    ),
    "config.json": b'{"model_type": "vica_qwen"}',
    "training_args.bin": b"pickle",
}


def row_of(output: str, repo: str) -> str:
    return next(line for line in output.splitlines() if line.split()[:1] == [repo])


def test_a_checkpoint_of_the_zoo_is_fetched_and_listed(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    with hubs.serve({f"models/{REPO}": FILES}) as hub:
        env = {**hub.environment(tmp_path / "hf"), "COLUMNS": "160"}
        before = vicabench("models", "list", **env)
        assert before.returncode == 0, before.stderr
        assert row_of(before.stdout, REPO).split()[1:5] == ["vica2", "ViCA2-7B", "5", "stage3"]
        assert sum(line.startswith("nkkbr/") for line in before.stdout.splitlines()) == 46
        assert "MB" not in row_of(before.stdout, REPO)
        assert row_of(before.stdout, "vica2-rooms").split()[4:7] == ["included", "7.1", "MB"]

        fetched = vicabench("models", "fetch", REPO, **env)
        assert fetched.returncode == 0, fetched.stderr
        assert hub.repositories[f"models/{REPO}"][-1].commit in fetched.stdout
        assert not hub.downloads("training_args.bin")

        after = row_of(vicabench("models", "list", **env).stdout, REPO)
        assert "1.2 MB" in after
        assert "partly" not in after

        next((tmp_path / "hf").glob("**/model-00002-of-00002.safetensors")).unlink()
        assert "600.1 kB, partly" in row_of(vicabench("models", "list", **env).stdout, REPO)


def test_hub_refusals_are_explained(vicabench: Vicabench, tmp_path: Path) -> None:
    pickled = {"config.json": b"{}", "pytorch_model.bin": b"pickle"}
    with hubs.serve({f"models/{REPO}": FILES, "models/lab/old": pickled}) as hub:
        env = hub.environment(tmp_path)
        refuses(vicabench("models", "fetch", "lab/none", **env), "no model lab/none", "HTTP 404")
        refuses(vicabench("models", "fetch", "lab/old", **env), "lab/old", "no safetensors")
        refuses(vicabench("models", "fetch", f"{REPO}@v9", **env), REPO, "revision")
        hub.token = "secret"
        refuses(vicabench("models", "fetch", REPO, **env), "HTTP 401", "HF_TOKEN")
    refuses(vicabench("models", "fetch", REPO, **env), "cannot be reached", "HF_ENDPOINT")


def test_address_that_is_not_a_hub_is_explained(vicabench: Vicabench, tmp_path: Path) -> None:
    strange = {"HF_HOME": str(tmp_path), "NO_PROXY": "", "no_proxy": ""}
    page = tmp_path / "api" / "models" / REPO
    page.parent.mkdir(parents=True)
    page.write_text("<html>Please log in</html>")  # as the portal of a hotel has it
    portal = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path)
    )
    Thread(target=portal.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{portal.server_port}"
    done = vicabench("models", "fetch", REPO, **strange, HF_ENDPOINT=address)
    portal.shutdown()
    portal.server_close()
    refuses(done, f"{REPO} is not a hub")
    for place in ({"ALL_PROXY": "socks5://127.0.0.1:9"}, {"HF_ENDPOINT": "http://127.0.0.1:99999"}):
        refuses(vicabench("models", "fetch", REPO, **strange, **place), "HF_ENDPOINT")
        refuses(vicabench("data", "fetch", "vsi-bench", "--data", "d", **strange, **place), "hub")


def test_a_page_in_place_of_a_hub_is_explained(vicabench: Vicabench, tmp_path: Path) -> None:
    with hubs.serve({f"models/{REPO}": FILES}) as hub:
        hub.page = b"<!DOCTYPE html><title>Log in</title>"
        env = hub.environment(tmp_path)
        run = ("run", "--benchmark", "rooms", "--limit", "1", "--model")
        for command in (("models", "fetch"), run):
            refuses(vicabench(*command, REPO, **env), f"{REPO} is not a hub", "HF_ENDPOINT")


def test_cache_that_is_not_a_folder_is_explained(vicabench: Vicabench, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = vicabench("models", "list", HF_HUB_CACHE=str(tmp_path / "file"))
    refuses(done, str(tmp_path / "file"), "HF_HUB_CACHE")


@pytest.mark.parametrize("name", ["model-00002-of-00002.safetensors", "config.json"])
def test_files_that_come_damaged_are_no_success(
    vicabench: Vicabench, tmp_path: Path, name: str
) -> None:
    with hubs.serve({f"models/{REPO}": FILES}) as hub:
        hub.corrupt = {name}
        env = hub.environment(tmp_path)
        done = vicabench("models", "fetch", REPO, **env)
        refuses(done, name, "arrived damaged")
        hub.corrupt = set()
        assert vicabench("models", "fetch", REPO, **env).returncode == 0


def test_more_than_the_hub_announced_is_not_downloaded(
    vicabench: Vicabench, tmp_path: Path
) -> None:
    files = {**FILES, "config.json": b" " * (24 << 20)}
    with hubs.serve({f"models/{REPO}": files}) as hub:
        hub.sizes["config.json"] = 429
        done = vicabench("models", "fetch", REPO, **hub.environment(tmp_path))
    refuses(done, f"The hub sends more of {REPO} than", "bytes that it announced")


def test_the_token_budget_of_the_published_model_is_shown(warm: Vicabench) -> None:
    done = warm("models", "show", "7b", "--frames", "64")
    assert done.returncode == 0, done.stderr
    assert "ViCA2 (vica_qwen)" in done.stdout
    assert "13,440 + 8,704 = 22,144 of 32,768, ratio 1.54" in done.stdout


def test_token_ratio_beyond_the_context_is_refused(
    warm: Vicabench,
) -> None:
    done = warm("models", "show", "7b", "--frames", "128")
    refuses(done, "44,288 tokens", "11,520 more", "fewer frames")


def test_known_models_are_shown_without_a_connection(vicabench: Vicabench, tmp_path: Path) -> None:
    env = {"HF_HUB_CACHE": str(tmp_path / "empty"), "HF_ENDPOINT": "http://127.0.0.1:9"}
    published = vicabench("models", "show", "nkkbr/ViCA", "--frames", "64", **env)
    assert published.returncode == 0, published.stderr
    assert "published configuration; its own config.json is not in the local cache" in (
        published.stdout
    )
    assert "parameters: 8,030,348,832 (language model 7,615,620,096" in published.stdout
    assert "tokens: 13,440 of 32,768" in published.stdout
    included = vicabench("models", "show", "vica2-rooms", **env)
    assert "vica2-rooms: included in the package" in included.stdout
    assert "parameters: 1,770,736" in included.stdout
    assert "tokens: 144 + 36 = 180 of 2,048" in included.stdout


def test_tiny_checkpoint_is_created_and_shown(warm: Vicabench, tmp_path: Path) -> None:
    made = warm("models", "init", "--family", "vica", "--seed", "3", "--out", "made")
    assert made.returncode == 0, made.stderr
    same = write_tiny_checkpoint(tmp_path / "same", family="vica", seed=3)
    for file in ("model.safetensors", "config.json"):
        assert (tmp_path / "made" / file).read_bytes() == (same / file).read_bytes()
    refuses(warm("models", "show", "./made", "--hiera-pool", "4"), "a ViCA", "no Hiera")


def test_invalid_count_in_a_config_is_refused_naming_the_field(
    warm: Vicabench, tmp_path: Path
) -> None:
    write_tiny_checkpoint(tmp_path / "tiny")
    config = tmp_path / "tiny" / "config.json"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('"hiera_frames": 32', '"hiera_frames": 1.5'), encoding="utf-8")
    refuses(warm("models", "show", "./tiny"), "config.json", "hiera_frames", "1.5")
