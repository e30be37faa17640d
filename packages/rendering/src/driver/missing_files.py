"""Which files the loaded scene wants and cannot find."""

import os

# Without them the picture is the same.
UNSEEN_KINDS = {"sound", "text"}


def missing_files(job_folder):
    """Paths as written in the .blend, sorted; empty where all is there."""
    from references import expand, file_paths, original_of, place_in_project

    missing = set()
    for entry in file_paths():
        if entry.kind in UNSEEN_KINDS:
            continue
        place = place_in_project(entry.path, entry.library, job_folder)
        if place is not None:
            is_there = any(exists for _, exists in expand(entry, place, job_folder))
        else:
            # Fonts of the system, for example, lie outside of the project and may be here all the same.
            is_there = os.path.exists(original_of(entry.path, entry.library, job_folder))
        if not is_there:
            missing.add(entry.path)
    return sorted(missing)
