"""`sentinel config …`: what can be configured, and what is in effect."""

import typer

from sentinel.commands.common import DEFAULT_CONFIG, Config, load, print_json

app = typer.Typer(help="The configuration: its schema, and what is in effect.")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration."""
    from sentinel.settings.show import schema as json_schema

    print_json(json_schema())


@app.command("show")
def show_config(config: Config = DEFAULT_CONFIG) -> None:
    """Print the configuration in effect: defaults and overrides included."""
    from sentinel.settings.show import show

    typer.echo(show(load(config)), nl=False)
