"""What authors of components import: frames and their Specs, the contracts of the five kinds, findings, the ledger.

frame            Item, Frame, Metadata, Clip: what travels
spec             Spec: what the bytes of a frame mean
properties       what rides along with a frame beside its pixels, declared once
stage            Reader, Transform, Writer
reducer          Reducer: one result of all frames
archive_writer   ArchiveWriter: frames as members of archives
codec            Codec: bytes <-> pixels of one format
contexts         what the engine lends to readers and writers
folder_listing   what readers of a folder inherit
globs            which relative paths the globs of a config name
template         output paths with {fields}
problem          a finding about a config, with its place
cause            why an item was not done, its parts kept apart
parameter_types  types of parameters that a config writes as text: colours
ledger           how items end
opencv           OpenCV loaded with one thread, or the reason why not
"""
