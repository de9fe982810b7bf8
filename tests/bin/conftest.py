"""Every file of these tests has a home folder of its own, which its commands leave empty."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def home(tmp_path_factory):
    """A command leaves nothing outside the folders that it is given."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"):
            patch.delenv(name, raising=False)
        yield folder
    left = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    assert left == [], f"below the home folder: {left}"
