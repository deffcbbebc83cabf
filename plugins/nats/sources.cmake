# What both ends of the bridge are made of beside their own files. The kinds of records come from the schema.
set(subject_kinds ${CMAKE_CURRENT_BINARY_DIR}/${name}_subject_kinds.c)
add_custom_command(OUTPUT ${subject_kinds}
  COMMAND ${CMAKE_COMMAND} -DSCHEMA=${CMAKE_SOURCE_DIR}/sdk/schema/hadron.xml -DOUTPUT=${subject_kinds} -P ${CMAKE_SOURCE_DIR}/cmake/embed_subjects.cmake
  DEPENDS ${CMAKE_SOURCE_DIR}/sdk/schema/hadron.xml ${CMAKE_SOURCE_DIR}/cmake/embed_subjects.cmake)
list(APPEND sources ${CMAKE_CURRENT_SOURCE_DIR}/nats/subject.c ${CMAKE_CURRENT_SOURCE_DIR}/nats/link.c ${subject_kinds})
