"""Points the open .blend to where the snapshot has its files (protocol's PathRemap)."""

import posixpath

import bpy

from references import file_paths, original_of


def remap(remaps, project_root):
    """Rewrites each path whose PathRemap `original` fits; libraries first, for their data-blocks come with them.

    Returns a function that puts back the paths as they were written, for whoever saves the file.
    """
    targets = {entry["original"]: posixpath.join(project_root, entry["path"]) for entry in remaps}
    # By name: reloading one library frees others.
    libraries, written = {}, []
    reloaded = set()
    while targets and _reload_next_library(targets, project_root, reloaded, libraries):
        pass
    for file_path in list(file_paths()):
        if file_path.kind == "library" or file_path.owner is None:
            continue
        target = targets.get(original_of(file_path.path, file_path.library, project_root))
        if target is None:
            continue
        if file_path.element is not None:
            target = posixpath.dirname(target) + "/"
        written.append((file_path.owner, file_path.attribute, getattr(file_path.owner, file_path.attribute)))
        setattr(file_path.owner, file_path.attribute, target)

    def restore():
        for name, path in libraries.items():
            if name in bpy.data.libraries:
                bpy.data.libraries[name].filepath = path
        for owner, attribute, path in reversed(written):
            setattr(owner, attribute, path)

    return restore


def _reload_next_library(targets, project_root, reloaded, libraries):
    for file_path in list(file_paths()):
        if file_path.kind != "library":
            continue
        target = targets.get(original_of(file_path.path, None, project_root))
        if target is not None and target not in reloaded:
            reloaded.add(target)
            libraries[file_path.owner.name] = file_path.owner.filepath
            file_path.owner.filepath = target
            file_path.owner.reload()
            # Reloading frees libraries and brings nested ones: the list walked here is stale.
            return True
    return False
