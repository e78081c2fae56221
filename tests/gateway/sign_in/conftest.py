from tests.standins.sign_in_fixtures import idp, shared_idp, shared_world, world

__all__ = ["idp", "shared_idp", "shared_world", "world"]
