"""What every store must do; nothing here may know which store it has, but for the list in ``conftest``."""
