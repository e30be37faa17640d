"""Points the open .blend to where the snapshot has its files (protocol's PathRemap)."""

import posixpath

from references import file_paths, original_of


def remap(remaps, project_root):
    """Rewrites each path whose PathRemap `original` fits; libraries first, for their data-blocks come with them."""
    targets = {entry["original"]: posixpath.join(project_root, entry["path"]) for entry in remaps}
    if not targets:
        return
    reloaded = set()
    while _reload_next_library(targets, project_root, reloaded):
        pass
    for file_path in list(file_paths()):
        if file_path.kind == "library" or file_path.owner is None:
            continue
        target = targets.get(original_of(file_path.path, file_path.library, project_root))
        if target is None:
            continue
        if file_path.element is not None:
            target = posixpath.dirname(target) + "/"
        setattr(file_path.owner, file_path.attribute, target)


def _reload_next_library(targets, project_root, reloaded):
    for file_path in list(file_paths()):
        if file_path.kind != "library":
            continue
        target = targets.get(original_of(file_path.path, None, project_root))
        if target is not None and target not in reloaded:
            reloaded.add(target)
            file_path.owner.filepath = target
            file_path.owner.reload()
            # Reloading frees libraries and brings nested ones: the list walked here is stale.
            return True
    return False
