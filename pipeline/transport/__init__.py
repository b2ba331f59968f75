"""What lies between processes, packed and unpacked in one place.

records         the 64-byte records, and the layout of a region
allocator       lends byte ranges of the arena (pure)
arena           the shared-memory segment
control_block   a worker's block in the arena: texts, and what it does now
partial_code    what reducers give of a frame, as bytes
property_code   the properties of a frame, as bytes in its region
"""
