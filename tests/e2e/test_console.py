"""A person at the console, in a real browser: from a file to a chat with the tuned model."""

import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from burnish.supervisor import Platform

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.timeout(900)]

EXTRACTION = Path(__file__).parents[2] / "examples" / "extraction"
CHROMIUM_ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HELD_OUT_ROWS = 4
JOB_SECONDS = 420.0


def chromium() -> str:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("BURNISH_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    assert found is not None
    return found


@pytest.fixture
async def page(burnish_up: Platform, tmp_path: Path) -> AsyncIterator[Page]:
    """A page on the console; an error in its scripts fails the test."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(), args=list(CHROMIUM_ARGS)
        )
        page = await browser.new_page(
            viewport={"width": 1280, "height": 1180},
            color_scheme="light",
            base_url=burnish_up.http_url,
        )
        page.set_default_timeout(30_000)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto("/")
        yield page
        await page.screenshot(path=tmp_path / "last.png", full_page=True)
        await browser.close()
    assert errors == []


@pytest.fixture
def held_out(tmp_path: Path) -> Path:
    """A few held-out rows: evaluation is most of a short job's time."""
    rows = (EXTRACTION / "heldout.jsonl").read_text().splitlines()[:HELD_OUT_ROWS]
    path = tmp_path / "heldout.jsonl"
    path.write_text("\n".join(rows))
    return path


async def upload(page: Page, held_out: Path) -> None:
    await page.set_input_files("#file-input", EXTRACTION / "train.jsonl")
    await expect(page.locator("#preview")).to_contain_text("Hugo")
    await page.set_input_files("#file-input", held_out)
    await expect(page.locator("#training-file")).to_have_value(_any_file())
    await expect(page.locator("#evaluation-file")).to_have_value(_any_file())


def _any_file() -> re.Pattern[str]:
    return re.compile(r"file-.+")


async def try_a_group(page: Page) -> None:
    """Two completions of one row, compared; the added one goes again."""
    await page.fill("#reward-source-0", LONGEST)
    row = page.locator("#try-results-0 .try").first
    await row.get_by_text("Add a completion").click()
    await row.locator("textarea").last.fill("x")
    await page.click("#try-reward-0")
    await expect(row.locator(".score")).to_have_text(["1.00", "0.00"], timeout=60_000)
    await row.get_by_label("Remove this completion").last.click()


async def edit_rewards(page: Page) -> None:
    """Write two functions, try a broken one and a right one."""
    await page.fill("#reward-name-0", "format")
    await page.fill("#reward-weight-0", "0.3")
    await page.fill(
        "#reward-source-0", "def reward(prompt, completion, example):\n    return 1 / 0\n"
    )
    await page.click("#try-reward-0")
    results = page.locator("#try-results-0")
    await expect(results).to_contain_text("ZeroDivisionError", timeout=60_000)
    remarks = page.locator("#reward-warnings-0")
    await expect(remarks).to_contain_text("ignores-completion")
    await try_a_group(page)
    await expect(remarks).to_be_hidden()
    source = (EXTRACTION / "reward_format.py").read_text()
    await page.fill(
        "#reward-source-0", source.replace("    try:", "    print('judged')\n    try:", 1)
    )
    await page.click("#try-reward-0")
    await expect(results.locator(".score.good").first).to_contain_text("1.00", timeout=60_000)
    await expect(results).to_contain_text("judged")
    await results.locator("textarea").first.fill("no object at all")
    await page.click("#try-reward-0")
    await expect(results.locator(".score.bad")).to_contain_text("0.00", timeout=60_000)
    await page.click("#add-reward")
    await page.fill("#reward-name-1", "correct")
    await page.fill("#reward-weight-1", "0.7")
    await page.fill("#reward-source-1", (EXTRACTION / "reward_correct.py").read_text())


async def fill_small_rl(page: Page, changes: dict[str, str]) -> None:
    values = {
        "#rl-prompts-per-step": "2",
        "#rl-learning-rate": "0.001",
        "#rl-sampling-max-tokens": "40",
    }
    for name, value in (values | changes).items():
        await page.fill(name, value)
    await page.click("text=Adapter, evaluation and seed")
    await page.fill("#evaluation-sampling-max-tokens", "40")


async def start(page: Page) -> str:
    """Fill in a small job, meet an error in place, mend it, start; the job's id."""
    await page.fill("#job-name-input", "from-the-console")
    await page.uncheck("#stage-sft")
    await fill_small_rl(page, {"#rl-steps": "2", "#rl-group-size": "1"})
    await page.click("#start-job")
    await expect(page.locator("#form-error")).to_contain_text("group_size")
    await expect(page.locator("#rl-group-size")).to_have_attribute("aria-invalid", "true")
    await page.fill("#rl-group-size", "4")
    await page.click("#start-job")
    await expect(page.locator("#job-id")).to_contain_text("job-", timeout=60_000)
    return await page.locator("#job-id").inner_text()


async def watch(page: Page) -> None:
    """Charts, completions and the held-out table fill while the job runs."""
    chart = page.locator("#chart-reward")
    await expect(chart.locator("canvas")).to_be_visible(timeout=JOB_SECONDS * 1000)
    await expect(page.locator("#completions tbody tr").first).to_be_visible(timeout=120_000)
    await expect(page.locator("#job-state")).to_contain_text(
        "Succeeded", timeout=JOB_SECONDS * 1000
    )
    await expect(page.locator("#job-step")).to_contain_text("2 of 2")
    await expect(page.locator("#chart-loss canvas")).to_be_visible()
    await expect(page.locator("#held-out tbody tr")).to_have_count(HELD_OUT_ROWS)
    await expect(page.locator("#held-out thead")).to_contain_text("Tuned (final)")
    await expect(page.locator("#completions .score").first).to_contain_text("reward")
    await expect(page.locator("#tile-adapter")).to_contain_text("v2")


async def chat(page: Page, job_id: str) -> None:
    """Both models answer the same message, each by its name."""
    await page.click("#chat-with-job")
    await expect(page.locator("#chat-model-right")).to_have_value(f"{job_id}:v2")
    await page.fill("#chat-max-tokens", "24")
    await page.locator("#chat-example").select_option(index=1)
    await page.click("#chat-send")
    for side, model in (("left", "smollm2-135m-instruct"), ("right", f"{job_id}:v2")):
        log = page.locator(f"#chat-log-{side}")
        await expect(log.locator(".msg-meta")).to_contain_text(model, timeout=120_000)
        await expect(log.locator(".msg.assistant:not(.pending)")).not_to_be_empty(timeout=120_000)


async def test_a_job_from_file_to_chat(page: Page, held_out: Path, tmp_path: Path) -> None:
    await expect(page.locator("#rail-services")).to_contain_text("learner")
    await page.click("#new-job")
    await upload(page, held_out)
    await edit_rewards(page)
    job_id = await start(page)
    await watch(page)
    picture = Path(os.environ.get("BURNISH_SCREENSHOT") or tmp_path / "console.png")
    assert len(await page.screenshot(path=picture)) > 50_000
    await chat(page, job_id)
    await page.goto("/#/services")
    for service in ("gateway", "learner", "rollout", "reward", "serve"):
        await expect(page.locator(f".svc-card[data-service={service}]")).to_be_visible()


async def test_a_job_is_cancelled_and_bad_data_is_explained(
    page: Page, held_out: Path, tmp_path: Path
) -> None:
    await page.goto("/#/new")
    bad = tmp_path / "questions.jsonl"
    bad.write_text('{"question": "1+1"}\n')
    await page.set_input_files("#file-input", bad)
    await expect(page.locator("#upload-error")).to_contain_text("no `prompt` or `messages` column")
    await upload(page, held_out)
    await page.fill("#reward-source-0", (EXTRACTION / "reward_correct.py").read_text())
    await page.fill("#rl-steps", "500")
    await page.click("#start-job")
    await page.click("#cancel-job", timeout=60_000)
    await expect(page.locator("#job-state")).to_contain_text("Cancelled", timeout=240_000)


BRIEF = """\
def reward(prompt, completion, example):
    return 1 / (1 + len(completion))
"""
LONGEST = """\
def reward(prompt, completions, example):
    longest = max(map(len, completions))
    return [float(len(each) == longest) for each in completions]
"""


async def apply_rewards(page: Page) -> None:
    """Meet an error in place, then change the source of one reward and watch by another."""
    await page.click("text=Edit >> nth=0")
    source = page.locator("#edit-brief")
    await expect(source).to_have_value(re.compile("def reward"))
    await source.fill("def reward(prompt, completion, example):\n    return 1 / 0\n")
    await page.click("#update-rewards")
    await expect(page.locator("#rewards-error")).to_contain_text(
        "ZeroDivisionError", timeout=60_000
    )
    await source.fill(BRIEF.replace("1 /", "0.5 /"))
    await page.click("#add-shadow")
    await page.fill("#edit-shadow_1", LONGEST)
    await page.fill("#rewards-reason", "half marks")
    await page.click("#update-rewards")
    newest = page.locator("#reward-sets tr").first
    await page.click("text=History of the sets")
    await expect(newest).to_contain_text("half marks", timeout=60_000)
    await expect(newest).to_contain_text(re.compile(r"2, in force.*step \d"), timeout=120_000)


async def test_a_running_job_gets_other_rewards(page: Page, held_out: Path, tmp_path: Path) -> None:
    await page.goto("/#/new")
    await upload(page, held_out)
    await page.fill("#reward-name-0", "brief")
    await page.fill("#reward-source-0", BRIEF)
    await page.uncheck("#stage-sft")
    await fill_small_rl(page, {"#rl-steps": "200", "#rl-group-size": "2"})
    await page.click("#start-job")
    await expect(page.locator("#completions .score").first).to_be_visible(timeout=240_000)
    await apply_rewards(page)
    chips = page.locator("#completions .score", has_text="shadow_1")
    await expect(chips.first).to_be_visible(timeout=120_000)
    await page.click("[aria-label='Re-score brief']")
    await expect(page.locator("#rescored-figures")).to_contain_text("then, brief", timeout=120_000)
    picture = Path(os.environ.get("BURNISH_SCREENSHOT_REWARDS") or tmp_path / "rewards.png")
    await page.locator("section[aria-label=Rewards]").screenshot(path=picture)
    await page.click("#rollback-rewards")
    newest = page.locator("#reward-sets tr").first
    await expect(newest).to_contain_text("rolled back to set 1", timeout=60_000)
    await expect(newest).to_contain_text("3, in force", timeout=120_000)
    await page.click("#cancel-job")
    await expect(page.locator("#job-state")).to_contain_text("Cancelled", timeout=240_000)
    await expect(page.locator("#update-rewards")).to_be_hidden()
