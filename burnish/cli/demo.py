"""`burnish demo`."""

import typer

app = typer.Typer()
