"""`burnish models` and `burnish chat`."""

import sys
from typing import Annotated

import typer

from burnish.cli import output
from burnish.cli.connect import connect
from burnish.errors import UserError
from burnish.sdk import Client

app = typer.Typer()
models_app = typer.Typer(help="Everything that can answer a chat.", no_args_is_help=True)

MaxTokens = Annotated[int, typer.Option(min=1, help="Longest answer.")]
Temperature = Annotated[float, typer.Option(min=0, max=2, help="0 is greedy.")]


@models_app.command("list")
def list_models(*, json: output.Json = False) -> None:
    """List base models and adapters."""
    with connect() as client:
        models = client.models.list()
    if json:
        output.print_json(models)
        return
    rows = ((model.id, model.base_model, model.job_id) for model in models)
    output.print_table(("id", "base model", "job"), rows, "No model is being served.")


@app.command()
def chat(
    model: Annotated[str, typer.Argument(help="Base model, adapter, <job>@latest or <job>@best.")],
    prompt: Annotated[str, typer.Argument(help="Without it: a conversation.")] = "",
    *,
    system: Annotated[str, typer.Option(help="System message.")] = "",
    max_tokens: MaxTokens = 256,
    temperature: Temperature = 0.0,
    json: output.Json = False,
) -> None:
    """Chat with a base model or an adapter."""
    turns = [{"role": "system", "content": system}] if system else []
    with connect() as client:
        if prompt:
            turns.append({"role": "user", "content": prompt})
            text = _answer(client, model, turns, max_tokens, temperature, quiet=json)
            if json:
                output.print_json({"model": model, "text": text})
        elif json:
            raise UserError("--json needs a prompt")
        else:
            _converse(client, model, turns, max_tokens, temperature)


def _converse(
    client: Client, model: str, turns: list[dict[str, str]], max_tokens: int, temperature: float
) -> None:
    while True:
        try:
            prompt = input("> ").strip()
        except EOFError:
            return
        if prompt:
            turns.append({"role": "user", "content": prompt})
            text = _answer(client, model, turns, max_tokens, temperature, quiet=False)
            turns.append({"role": "assistant", "content": text})


def _answer(
    client: Client,
    model: str,
    turns: list[dict[str, str]],
    max_tokens: int,
    temperature: float,
    *,
    quiet: bool,
) -> str:
    """The whole answer; written piece by piece unless `quiet`."""
    text = ""
    for piece in client.chat(model, turns, max_tokens=max_tokens, temperature=temperature):
        text += piece
        if not quiet:
            sys.stdout.write(piece)
            sys.stdout.flush()
    if not quiet:
        sys.stdout.write("\n")
    return text
