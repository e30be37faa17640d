"""Scenes whose pixels change when Cycles keeps its data from frame to frame.

Every entry has a test that shows the difference (`persistent-data.test.ts`).
"""

import bpy


def has_hair(scene):
    """Hair of particle systems and hair curves."""
    for instance in scene.objects:
        if instance.type == "CURVES":
            return True
        if any(system.settings.type == "HAIR" for system in instance.particle_systems):
            return True
    return False


UNSAFE_FEATURES = (("hair", has_hair),)


def unsafe_features(scene):
    """Names of the features of the scene for which data must not be kept."""
    return [name for name, is_used in UNSAFE_FEATURES if is_used(scene)]
