"""`make dashboards`: writes alerts/dashboards anew."""

from tests.dashboards import built

for name, text in built.texts().items():
    (built.FOLDER / f"{name}.json").write_text(text)
